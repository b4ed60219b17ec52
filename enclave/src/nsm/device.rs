//! `/dev/nsm`, through AWS's API crate.

use std::{cell::Cell, marker::PhantomData};

use aws_nitro_enclaves_nsm_api::{
    api::{Digest, ErrorCode, Request, Response},
    driver,
};
use serde_bytes::ByteBuf;

use super::{Nsm, NsmDescription, NsmError, NsmRequest, NsmResponse, PcrDigest};

/// The real NSM. Owns its file descriptor; closed when dropped.
#[derive(Debug)]
pub struct Device {
    fd: i32,
    /// One owner, one thread at a time.
    not_sync: PhantomData<Cell<()>>,
}

impl Device {
    /// Opens `/dev/nsm`.
    ///
    /// # Errors
    ///
    /// [`NsmError::Unreachable`] if there is none: this is no enclave.
    pub fn open() -> Result<Self, NsmError> {
        let fd = driver::nsm_init();
        if fd < 0 {
            return Err(NsmError::Unreachable);
        }
        Ok(Self {
            fd,
            not_sync: PhantomData,
        })
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        driver::nsm_exit(self.fd);
    }
}

impl Nsm for Device {
    fn call(&self, request: NsmRequest) -> Result<NsmResponse, NsmError> {
        request.check()?;
        response(driver::nsm_process_request(self.fd, encode(request)))
    }
}

fn encode(request: NsmRequest) -> Request {
    match request {
        NsmRequest::Describe => Request::DescribeNSM,
        NsmRequest::Random => Request::GetRandom,
        NsmRequest::Attest {
            nonce,
            user_data,
            public_key,
        } => Request::Attestation {
            user_data: user_data.map(ByteBuf::from),
            nonce: nonce.map(ByteBuf::from),
            public_key: public_key.map(ByteBuf::from),
        },
        NsmRequest::ExtendPcr { index, data } => Request::ExtendPCR { index, data },
        NsmRequest::LockPcr { index } => Request::LockPCR { index },
    }
}

fn response(response: Response) -> Result<NsmResponse, NsmError> {
    match response {
        Response::DescribeNSM {
            version_major,
            version_minor,
            version_patch,
            module_id,
            max_pcrs,
            locked_pcrs,
            digest,
        } => Ok(NsmResponse::Description(NsmDescription {
            version: (version_major, version_minor, version_patch),
            module_id,
            max_pcrs,
            locked_pcrs,
            digest: match digest {
                Digest::SHA256 => PcrDigest::Sha256,
                Digest::SHA384 => PcrDigest::Sha384,
                Digest::SHA512 => PcrDigest::Sha512,
            },
        })),
        Response::GetRandom { random } => Ok(NsmResponse::Random(random.into())),
        Response::Attestation { document } => Ok(NsmResponse::Document(document)),
        Response::ExtendPCR { data } => Ok(NsmResponse::Extended(data)),
        Response::LockPCR => Ok(NsmResponse::Locked),
        Response::Error(code) => Err(match code {
            ErrorCode::InvalidArgument => NsmError::InvalidArgument,
            ErrorCode::InvalidIndex => NsmError::InvalidIndex,
            ErrorCode::ReadOnlyIndex => NsmError::ReadOnlyIndex,
            ErrorCode::InvalidOperation => NsmError::InvalidOperation,
            ErrorCode::InputTooLarge => NsmError::InputTooLarge,
            ErrorCode::Success
            | ErrorCode::InvalidResponse
            | ErrorCode::BufferTooSmall
            | ErrorCode::InternalError => NsmError::Internal,
        }),
        _ => Err(NsmError::UnexpectedResponse),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_of_the_api_is_understood() {
        assert_eq!(
            response(Response::GetRandom { random: vec![1] }),
            Ok(NsmResponse::Random(vec![1].into()))
        );
        assert_eq!(response(Response::LockPCR), Ok(NsmResponse::Locked));
        assert_eq!(
            response(Response::Error(ErrorCode::ReadOnlyIndex)),
            Err(NsmError::ReadOnlyIndex)
        );
        assert_eq!(
            response(Response::LockPCRs),
            Err(NsmError::UnexpectedResponse)
        );
        let request = encode(NsmRequest::Attest {
            nonce: Some(vec![7]),
            user_data: Some(vec![8]),
            public_key: None,
        });
        assert!(matches!(
            request,
            Request::Attestation { user_data: Some(u), nonce: Some(n), public_key: None }
                if u.as_ref() == [8u8] && n.as_ref() == [7u8]
        ));
    }
}
