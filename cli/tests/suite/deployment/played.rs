//! The enclave that a deployment plays.

use std::sync::{Arc, Mutex};

use ed25519_dalek::SigningKey;
use openkey_cli::{info, root_id, seal};
use openkey_protocol::{
    cbor,
    message::{
        Answer as Signable, Bare, Call, Error, ErrorCode, Evidence, GENESIS_INFO, Genesis,
        GenesisTranscript, Hash32, Key32, Limits, OperatorRequest, PendingSuccessors,
        ROOT_DESCRIPTOR_VERSION, Reply, Request, Response, RootDescriptor, RootState, RootStatus,
        SHARE_LABEL, SecretStatus, Status, UpgradeStatus, Verdict, WrappedRoot,
    },
};
use openkey_verifier::{configuration::Configuration, successors};
use sha2::{Digest, Sha256};

use super::{Play, share};
use crate::harness::{Live, now};

pub(super) struct Enclave {
    pub(super) live: Live,
    pub(super) configuration: Configuration,
    pub(super) play: Play,
    pub(super) orders: Arc<Mutex<Vec<OperatorRequest>>>,
    pub(super) upgrades: Mutex<Vec<UpgradeStatus>>,
    pub(super) withdrawn: Mutex<Vec<Hash32>>,
    pub(super) secrets: Mutex<Vec<SecretStatus>>,
    /// Evidence that the host asked for before anything was ordered.
    pub(super) earlier: Vec<u8>,
}

impl Enclave {
    pub(super) fn reply(&self, body: &[u8]) -> Reply {
        let Call { nonce, request } = cbor::decode(body).unwrap();
        if let Request::Evidence { nonce } = request {
            if self.play.shows_earlier {
                return Reply::Bare(Bare::Evidence(Evidence {
                    document: self.earlier.clone().into(),
                }));
            }
            let mut live = self.shown();
            if self.play.reboots && !self.orders.lock().unwrap().is_empty() {
                live.identity = SigningKey::from_bytes(&[0x43; 32]);
            }
            let (upgrades, withdrawn) = self.lists();
            live.pending = Some(if self.play.unknown {
                PendingSuccessors::Unknown
            } else {
                PendingSuccessors::Known(successors::hash(&upgrades).unwrap())
            });
            live.withdrawn = successors::withdrawn_hash(&withdrawn);
            return Reply::Bare(Bare::Evidence(Evidence {
                document: live.document(nonce.as_slice()).into(),
            }));
        }
        let is_bent = match request {
            Request::Operator(_) => self.play.bends_answers,
            _ => self.play.bends_statuses,
        };
        let mut signed = self.shown().sign(&Signable {
            request: Hash32(Sha256::digest(body).into()),
            nonce,
            at: now().0,
            continued: None,
            result: self.answer(request),
        });
        if is_bent {
            let mut signature = signed.signature.as_slice().to_vec();
            signature[1] ^= 1;
            signed.signature = signature.into();
        }
        Reply::Answer(signed)
    }

    /// Who is behind the host.
    fn shown(&self) -> Live {
        let mut live = self.live.clone();
        if self.play.another_boot {
            live.identity = SigningKey::from_bytes(&[0x45; 32]);
        }
        if self.play.shows_another {
            live.identity = SigningKey::from_bytes(&[0x44; 32]);
        }
        live
    }

    /// What it knows of successors: those that wait, and those that were withdrawn.
    fn lists(&self) -> (Vec<UpgradeStatus>, Vec<Hash32>) {
        if self.play.shows_another {
            return Default::default();
        }
        let upgrades = self.upgrades.lock().unwrap().clone();
        (upgrades, self.withdrawn.lock().unwrap().clone())
    }

    fn answer(&self, request: Request) -> Verdict {
        Verdict::Ok(match request {
            Request::Status => Response::Status(self.status()),
            Request::Operator(order) => {
                self.orders.lock().unwrap().push(order.clone());
                if self.play.full_store {
                    return Verdict::Refused(Error {
                        code: ErrorCode::OutcomeUnknown,
                        message: "The successor is withdrawn until this enclave restarts.".into(),
                        advice: "Withdraw it again when the store works.".into(),
                    });
                }
                match order {
                    OperatorRequest::Genesis { nonce } => {
                        Response::Genesis(self.genesis(nonce.as_slice()))
                    }
                    OperatorRequest::Announce { manifest } => {
                        let file =
                            openkey_verifier::release::ReleaseFile::from_json(manifest.as_slice())
                                .unwrap();
                        let body = match self.play.lists_another {
                            true => Vec::new(),
                            false => file.body().unwrap(),
                        };
                        let manifest = Hash32(Sha256::digest(body).into());
                        let mut upgrades = self.upgrades.lock().unwrap();
                        if upgrades.iter().all(|it| it.manifest != manifest) {
                            upgrades.push(UpgradeStatus {
                                release: file.unverified().release.clone(),
                                epoch: file.unverified().epoch,
                                manifest,
                                announced_at: now().0,
                                allowed_from: now().0 + 500,
                                consents: Vec::new(),
                                consents_needed: 1,
                            });
                        }
                        drop(upgrades);
                        Response::Root(self.root_status())
                    }
                    OperatorRequest::Consent { operator, consent } => {
                        let manifest = consent.unverified().unwrap().manifest;
                        let mut upgrades = self.upgrades.lock().unwrap();
                        let waits = upgrades.iter_mut().find(|it| it.manifest == manifest);
                        waits.unwrap().consents.push(operator);
                        drop(upgrades);
                        if self.play.refuses_consents {
                            return Verdict::Refused(Error {
                                code: ErrorCode::ManifestRefused,
                                message: "An operator withdrew the successor.".into(),
                                advice: String::new(),
                            });
                        }
                        Response::Root(self.root_status())
                    }
                    OperatorRequest::Withdraw { withdrawal, .. } => {
                        let manifest = withdrawal.unverified().unwrap().manifest;
                        if !self.play.ignores_withdrawals {
                            let mut upgrades = self.upgrades.lock().unwrap();
                            upgrades.retain(|it| it.manifest != manifest);
                            self.withdrawn.lock().unwrap().push(manifest);
                        }
                        if self.play.handed_over {
                            return Verdict::Refused(Error {
                                code: ErrorCode::Superseded,
                                message: "The root key went to a successor.".into(),
                                advice: String::new(),
                            });
                        }
                        Response::Root(self.root_status())
                    }
                    OperatorRequest::SetSecret { order, .. } => {
                        let order = order.unverified().unwrap();
                        if !self.play.ignores_secrets {
                            let mut secrets = self.secrets.lock().unwrap();
                            secrets.retain(|known| known.name != order.name);
                            secrets.push(SecretStatus {
                                name: order.name,
                                version: order.version,
                            });
                        }
                        Response::Root(self.root_status())
                    }
                    _ => Response::Root(self.root_status()),
                }
            }
            _ => {
                return Verdict::Refused(Error {
                    code: ErrorCode::AwaitingRootKey,
                    message: "waiting for root key: 0 of 2 shares".into(),
                    advice: String::new(),
                });
            }
        })
    }

    fn root_status(&self) -> RootStatus {
        let (upgrades, mut withdrawn) = self.lists();
        if self.play.claims_withdrawals {
            for order in self.orders.lock().unwrap().iter() {
                if let OperatorRequest::Withdraw { withdrawal, .. } = order {
                    withdrawn.push(withdrawal.unverified().unwrap().manifest);
                }
            }
        }
        RootStatus {
            state: match self.play {
                Play {
                    handed_over: true, ..
                } => RootState::HandedOver,
                Play {
                    hides_secrets: true,
                    ..
                } => RootState::Ready,
                _ if self.live.root_id.is_some() => RootState::Waiting { have: 1, need: 2 },
                _ if self.held_a_genesis() => RootState::GenesisDone,
                _ => RootState::AwaitingGenesis,
            },
            root_id: self.live.root_id,
            epoch: self.live.epoch,
            sources: Vec::new(),
            upgrades: match self.play.hides {
                true => Vec::new(),
                false => upgrades,
            },
            upgrades_known: !self.play.unknown,
            withdrawn,
            secrets: match self.play.hides_secrets {
                true => Vec::new(),
                false => self.secrets.lock().unwrap().clone(),
            },
            secrets_known: !self.play.hides_secrets,
        }
    }

    fn held_a_genesis(&self) -> bool {
        let orders = self.orders.lock().unwrap();
        let is_genesis = |order: &OperatorRequest| matches!(order, OperatorRequest::Genesis { .. });
        orders.iter().any(is_genesis)
    }

    fn status(&self) -> Status {
        Status {
            release: "1.2.3".into(),
            root_source: None,
            root: self.root_status(),
            now: now().0,
            rp_id: "localhost".into(),
            origins: Vec::new(),
            limits: Limits {
                payload_bytes: 0,
                passkeys: 0,
                keys: 0,
                signatures_per_minute: 0,
                accounts: 0,
            },
        }
    }

    fn genesis(&self, nonce: &[u8]) -> Genesis {
        let operators = self.configuration.operators.as_ref().unwrap();
        let commitment = |(index, share): (u8, [u8; 32])| {
            let input = [SHARE_LABEL.as_bytes(), &[0, index], &share].concat();
            Hash32(Sha256::digest(input).into())
        };
        let mut descriptor = RootDescriptor {
            version: ROOT_DESCRIPTOR_VERSION,
            commitment: Hash32([0xc0; 32]),
            threshold: operators.threshold,
            operators: operators.keys.clone(),
            shares: (1..).zip((0..3).map(share)).map(commitment).collect(),
            epoch: self.live.epoch,
            created_at: now().0,
        };
        let mut transcript = GenesisTranscript {
            descriptor: Vec::new().into(),
            root_id: Hash32([0; 32]),
            shares: Vec::new(),
            wrapped: self.configuration.kms.as_ref().map(|_| WrappedRoot {
                blob: vec![1; 8].into(),
                nonce: vec![2; 24].into(),
                sealed: vec![3; 48].into(),
            }),
            nonce: nonce.into(),
        };
        (self.play.bend)(&mut transcript, &mut descriptor);
        let bytes = cbor::encode(&descriptor).unwrap();
        transcript.root_id = root_id(&bytes);
        let info = info(GENESIS_INFO, &[transcript.root_id.as_bytes()]);
        let keys = descriptor
            .operators
            .iter()
            .map(|operator| operator.encryption);
        transcript.shares = (0..)
            .zip(keys)
            .map(|(place, key): (usize, Key32)| seal(&key, &info, &share(place)).unwrap())
            .collect();
        transcript.descriptor = bytes.into();
        let signed = self.live.sign(&transcript);
        let over = Sha256::digest(signed.body.as_slice());
        let mut genesis = Genesis {
            document: self.live.document(&over).into(),
            transcript: signed,
        };
        (self.play.swap)(&mut genesis, &self.live);
        genesis
    }
}
