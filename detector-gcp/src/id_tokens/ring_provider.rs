//! RS256 by ring, as `jsonwebtoken` wants it: the one algorithm that Google signs ID tokens with. Everything else that the
//! crate could ask for is refused.

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::ErrorKind,
    signature::{Error, Verifier},
};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

/// Makes ring check the process's tokens; later calls change nothing.
pub(super) fn install() {
    // The only failure is that a provider is installed already.
    let _ = PROVIDER.install_default();
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| match (algorithm, key.kind()) {
        (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { .. }) => Ok(Box::new(Rs256(key.clone()))),
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    },
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(ErrorKind::UnsupportedAlgorithm.into()),
        rsa_pub_components_from_public_key: |_| Err(ErrorKind::UnsupportedAlgorithm.into()),
        ec_pub_components_from_private_key: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        ed_pub_components_from_private_key: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        compute_digest: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    },
};

struct Rs256(DecodingKey);

impl Verifier<Vec<u8>> for Rs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Error> {
        let DecodingKeyKind::RsaModulusExponent { n, e } = self.0.kind() else { return Err(Error::new()) };
        let key = RsaPublicKeyComponents { n, e };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).map_err(|_| Error::new())
    }
}

impl JwtVerifier for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, crypto};

    use super::*;

    const OTHERS: [Algorithm; 11] = [
        Algorithm::HS256,
        Algorithm::HS384,
        Algorithm::HS512,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
        Algorithm::EdDSA,
    ];

    #[test]
    fn what_is_not_rs256_with_a_public_key_is_an_error_and_no_panic() {
        install();
        install();
        let rsa = DecodingKey::from_rsa_raw_components(&[0xc5; 256], &[1, 0, 1]);
        for algorithm in OTHERS {
            assert!(crypto::verify("AAAA", b"message", &rsa, algorithm).is_err(), "{algorithm:?}");
        }
        for key in [DecodingKey::from_secret(&[1; 32]), DecodingKey::from_rsa_der(&[1; 32])] {
            assert!(crypto::verify("AAAA", b"message", &key, Algorithm::RS256).is_err());
        }
        assert!(crypto::sign(b"message", &EncodingKey::from_secret(&[1; 32]), Algorithm::HS256).is_err());
        assert!((PROVIDER.key_utils.rsa_pub_components_from_public_key)(&[1; 32]).is_err());
    }

    #[test]
    fn keys_that_are_none_verify_nothing() {
        install();
        for (n, e) in [(vec![], vec![]), (vec![1], vec![1]), (vec![0; 256], vec![3]), (vec![0xff; 128], vec![1, 0, 1])]
        {
            let key = DecodingKey::from_rsa_raw_components(&n, &e);
            for signature in ["", "AAAA", &"A".repeat(342)] {
                assert!(!crypto::verify(signature, b"message", &key, Algorithm::RS256).unwrap_or(false));
            }
        }
    }
}
