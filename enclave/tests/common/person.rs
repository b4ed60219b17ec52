//! A person with passkeys, and the client they use.

use ed25519_dalek::{Signature, VerifyingKey};
use openkey_enclave::Service;
use openkey_protocol::{
    message::{
        AccountHead, AccountId, AccountReceipt, AccountView, Action, Address, Approve, Approved,
        Assertion, Bytes, Error, Hash32, HistoryPage, KeyId, KnownHead, NewPasskey, Outcome,
        PasskeyCreated, Payload, Prompted, Propose, Query, Read, Request, Response, SignIn, SignUp,
        SignUpFinish, SignUpStarted, Signed, SignedUp, Statement, UserHandle,
    },
    store::RecordStore,
};
use sha2::{Digest, Sha256};

use super::{Authenticator, NONCE, ORIGIN, ask, ask_with_time};

#[derive(Clone)]
pub struct Person {
    pub authenticator: Authenticator,
    pub account: AccountId,
    pub user_handle: UserHandle,
    pub address: Address,
    pub receipt: Hash32,
    pub head: AccountHead,
    /// When the head was shown last.
    pub shown_at: u64,
    pub token: Bytes,
}

/// Checks a statement's signature as a client does.
pub fn verified<S: RecordStore, T: Statement>(enclave: &Service<S>, signed: &Signed<T>) -> T {
    let key = VerifyingKey::from_bytes(&enclave.identity()).unwrap();
    let signature = Signature::from_slice(signed.signature.as_slice()).unwrap();
    key.verify_strict(&Signed::<T>::input(signed.body.as_slice()), &signature)
        .unwrap();
    signed.unverified().unwrap()
}

pub fn text(text: &str) -> Action {
    Action::Sign {
        key: KeyId(0),
        payload: Payload::Text(text.to_owned()),
    }
}

pub async fn begin<S: RecordStore>(enclave: &Service<S>) -> Result<SignUpStarted, Error> {
    let request = Request::SignUp(SignUp {
        origin: ORIGIN.to_owned(),
        name: "Ada".to_owned(),
    });
    match ask(enclave, &request).await? {
        Response::SignUpStarted(started) => Ok(started),
        other => panic!("{other:?}"),
    }
}

pub async fn finish<S: RecordStore>(
    enclave: &Service<S>,
    started: &SignUpStarted,
    authenticator: &mut Authenticator,
) -> Result<SignedUp, Error> {
    let request = Request::SignUpFinish(SignUpFinish {
        context: started.context.clone(),
        credential: authenticator.create(&started.options),
    });
    match ask(enclave, &request).await? {
        Response::SignedUp(done) => Ok(done),
        other => panic!("{other:?}"),
    }
}

pub fn receipt_hash(receipt: &Signed<AccountReceipt>) -> Hash32 {
    Hash32(Sha256::digest(receipt.body.as_slice()).into())
}

impl Person {
    /// Registers, checks the receipt, and stops before the confirmation.
    pub async fn unconfirmed<S: RecordStore>(enclave: &Service<S>, seed: u8) -> Self {
        let mut authenticator = Authenticator::new(seed);
        let started = begin(enclave).await.unwrap();
        let done = finish(enclave, &started, &mut authenticator).await.unwrap();
        let receipt = verified(enclave, &done.receipt);
        assert_eq!(receipt.nonce, Bytes::from(NONCE));
        assert_eq!(
            receipt.credentials[0].public_key_sha256.0,
            authenticator.spki_sha256()
        );
        Self::of(authenticator, &done)
    }

    /// Whoever has this authenticator after a sign-up that may have been finished with another one. The
    /// receipt is not checked.
    pub fn of(authenticator: Authenticator, done: &SignedUp) -> Self {
        let receipt = done.receipt.unverified().unwrap();
        Self {
            authenticator,
            account: receipt.account,
            user_handle: receipt.user_handle,
            address: receipt.keys[0].address,
            receipt: receipt_hash(&done.receipt),
            head: done.head,
            shown_at: receipt.issued_at,
            token: Bytes::default(),
        }
    }

    /// Registers and confirms.
    pub async fn register<S: RecordStore>(enclave: &Service<S>, seed: u8) -> Self {
        let mut person = Self::unconfirmed(enclave, seed).await;
        let action = Action::Confirm {
            receipt: person.receipt,
        };
        let done = person.act(enclave, action).await.unwrap();
        person.keep_token(done);
        person
    }

    pub fn keep_token(&mut self, done: Approved) {
        match done.outcome {
            Outcome::SignedIn { token, .. } => self.token = token,
            other => panic!("{other:?}"),
        }
    }

    /// What the client holds of the account and sends.
    pub fn known(&self) -> KnownHead {
        KnownHead {
            head: self.head,
            shown_at: self.shown_at,
        }
    }

    fn keep_head(&mut self, head: AccountHead, at: u64) {
        KnownHead {
            head: self.head,
            shown_at: self.shown_at,
        } = KnownHead::after(Some(self.known()), head, at);
    }

    /// Looks at the account, and keeps what was shown.
    pub async fn look<S: RecordStore>(
        &mut self,
        enclave: &Service<S>,
    ) -> Result<AccountView, Error> {
        let request = Request::Read(Read {
            token: self.token.clone(),
            head: Some(self.known()),
            query: Query::Account,
        });
        match ask_with_time(enclave, &request).await? {
            (Response::Account(view), at) => {
                self.keep_head(view.head, at);
                Ok(view)
            }
            (other, _) => panic!("{other:?}"),
        }
    }

    pub fn proposal(&self, action: Action) -> Request {
        let confirms = matches!(action, Action::Confirm { .. });
        Request::Propose(Propose {
            account: self.account,
            user_handle: self.user_handle,
            token: (!confirms && !self.token.0.is_empty()).then(|| self.token.clone()),
            origin: ORIGIN.to_owned(),
            head: Some(self.known()),
            action,
        })
    }

    pub async fn propose<S: RecordStore>(
        &self,
        enclave: &Service<S>,
        action: Action,
    ) -> Result<Prompted, Error> {
        prompted(ask(enclave, &self.proposal(action)).await?)
    }

    pub fn approval(&self, prompted: &Prompted, assertion: Assertion) -> Approve {
        Approve {
            context: prompted.context.clone(),
            assertion,
            possession: None,
            head: Some(self.known()),
            confirmed: None,
        }
    }

    pub async fn approve<S: RecordStore>(
        &mut self,
        enclave: &Service<S>,
        prompted: &Prompted,
    ) -> Result<Approved, Error> {
        let assertion = self.authenticator.get(&prompted.options);
        self.send(enclave, self.approval(prompted, assertion)).await
    }

    pub async fn send<S: RecordStore>(
        &mut self,
        enclave: &Service<S>,
        approval: Approve,
    ) -> Result<Approved, Error> {
        match ask_with_time(enclave, &Request::Approve(approval)).await? {
            (Response::Approved(approved), at) => {
                self.keep_head(approved.head, at);
                Ok(approved)
            }
            (other, _) => panic!("{other:?}"),
        }
    }

    /// Proposes and approves.
    pub async fn act<S: RecordStore>(
        &mut self,
        enclave: &Service<S>,
        action: Action,
    ) -> Result<Approved, Error> {
        let prompted = self.propose(enclave, action).await?;
        self.approve(enclave, &prompted).await
    }

    /// Signs in, as on a new device: without a head or an account id.
    pub async fn sign_in<S: RecordStore>(&mut self, enclave: &Service<S>) -> Result<(), Error> {
        let prompted = sign_in(enclave).await?;
        let assertion = self.authenticator.get(&prompted.options);
        let approval = Approve {
            head: None,
            ..self.approval(&prompted, assertion)
        };
        let done = self.send(enclave, approval).await?;
        self.keep_token(done);
        Ok(())
    }

    pub async fn begin_passkey<S: RecordStore>(
        &self,
        enclave: &Service<S>,
        name: &str,
    ) -> Result<NewPasskey, Error> {
        let action = Action::AddPasskey {
            name: name.to_owned(),
        };
        match ask(enclave, &self.proposal(action)).await? {
            Response::NewPasskey(new) => Ok(new),
            other => panic!("{other:?}"),
        }
    }

    /// Adds a passkey, which shows that it is held, approved by the one in use.
    pub async fn add_passkey<S: RecordStore>(
        &mut self,
        enclave: &Service<S>,
        new: &mut Authenticator,
    ) -> Result<Approved, Error> {
        let begun = self.begin_passkey(enclave, "Second").await?;
        let prompted = created(enclave, &begun, new).await?;
        self.approve_passkey(enclave, &prompted, new).await
    }

    /// Approves a prompt that adds a passkey, after the new one has answered it.
    pub async fn approve_passkey<S: RecordStore>(
        &mut self,
        enclave: &Service<S>,
        prompted: &Prompted,
        new: &mut Authenticator,
    ) -> Result<Approved, Error> {
        let assertion = self.authenticator.get(&prompted.options);
        let approval = Approve {
            possession: Some(new.get(&prompted.options)),
            ..self.approval(prompted, assertion)
        };
        self.send(enclave, approval).await
    }

    pub async fn view<S: RecordStore>(&self, enclave: &Service<S>) -> Result<AccountView, Error> {
        match self.read(enclave, Query::Account).await? {
            Response::Account(view) => Ok(view),
            other => panic!("{other:?}"),
        }
    }

    pub async fn history<S: RecordStore>(
        &self,
        enclave: &Service<S>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<HistoryPage, Error> {
        let query = Query::History { before, limit };
        match self.read(enclave, query).await? {
            Response::History(page) => Ok(page),
            other => panic!("{other:?}"),
        }
    }

    async fn read<S: RecordStore>(
        &self,
        enclave: &Service<S>,
        query: Query,
    ) -> Result<Response, Error> {
        let request = Request::Read(Read {
            token: self.token.clone(),
            head: Some(self.known()),
            query,
        });
        ask(enclave, &request).await
    }
}

pub async fn sign_in<S: RecordStore>(enclave: &Service<S>) -> Result<Prompted, Error> {
    let request = Request::SignIn(SignIn {
        origin: ORIGIN.to_owned(),
    });
    prompted(ask(enclave, &request).await?)
}

pub async fn created<S: RecordStore>(
    enclave: &Service<S>,
    begun: &NewPasskey,
    authenticator: &mut Authenticator,
) -> Result<Prompted, Error> {
    let request = Request::PasskeyCreated(PasskeyCreated {
        context: begun.context.clone(),
        credential: authenticator.create(&begun.options),
    });
    prompted(ask(enclave, &request).await?)
}

pub fn prompted(response: Response) -> Result<Prompted, Error> {
    match response {
        Response::Prompted(prompted) => Ok(prompted),
        other => panic!("{other:?}"),
    }
}

/// The signature of an approval.
pub fn signature(approved: &Approved) -> (Vec<u8>, Hash32, Address) {
    match &approved.outcome {
        Outcome::Signature {
            signature,
            digest,
            address,
        } => (signature.0.clone(), *digest, *address),
        other => panic!("{other:?}"),
    }
}
