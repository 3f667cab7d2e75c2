//! The certificate that SNS signs with: three of its fields, and whether it signed a message. Pure.
//!
//! SNS serves the certificate alone, without those above it, so that it is believed because of where it was fetched from: over
//! TLS from a host of AWS's.

use std::ops::RangeInclusive;

use common::error::{Error, Kind, Result};
use der::{
    Decode, Reader, Tag,
    asn1::{AnyRef, BitStringRef, GeneralizedTime, ObjectIdentifier, UtcTime},
};
use jiff::Timestamp;
use ring::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{
    forbidden,
    message::{Message, Version},
};

/// `rsaEncryption` (RFC 8017, appendix C).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Whose signature counts, and when.
#[derive(Debug)]
pub(super) struct Certificate {
    valid: RangeInclusive<Timestamp>,
    /// As RFC 8017 writes an RSA key.
    key: Vec<u8>,
}

impl Certificate {
    /// Reads PEM.
    pub(super) fn read(pem: &[u8]) -> Result<Self> {
        let wrong = || Error::new(Kind::Unavailable, "what lies where the signing certificate should is none");
        let der = CertificateDer::from_pem_slice(pem).map_err(|cause| wrong().because(cause))?;
        fields(&der).map_err(|cause| wrong().because(cause.to_string()))
    }

    /// Whether the message is signed with this key, by a certificate that is valid.
    ///
    /// # Errors
    /// `forbidden` where not.
    pub(super) fn check(&self, message: &Message, now: Timestamp) -> Result<()> {
        if !self.valid.contains(&now) {
            return Err(forbidden("the signing certificate is not valid now"));
        }
        let how = match message.version {
            Version::One => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Version::Two => &RSA_PKCS1_2048_8192_SHA256,
        };
        let verified = UnparsedPublicKey::new(how, &self.key).verify(message.signed().as_bytes(), &message.signature);
        verified.map_err(|_| forbidden("the signature is not that of this message"))
    }
}

/// RFC 5280, section 4.1: `SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }`, of which the first holds all.
fn fields(der: &[u8]) -> der::Result<Certificate> {
    AnyRef::from_der(der)?.sequence(|certificate| {
        let content: AnyRef<'_> = certificate.decode()?;
        skip(certificate)?;
        content.sequence(|content| {
            // The version is optional and comes before the serial number.
            if AnyRef::decode(content)?.header().tag() != Tag::Integer {
                AnyRef::decode(content)?;
            }
            let (_algorithm, _issuer) = (AnyRef::decode(content)?, AnyRef::decode(content)?);
            let validity = AnyRef::decode(content)?;
            let valid =
                validity.sequence(|times| Ok::<_, der::Error>(time(times.decode()?)?..=time(times.decode()?)?))?;
            let _subject = AnyRef::decode(content)?;
            let key = AnyRef::decode(content)?.sequence(public_key)?;
            skip(content)?;
            Ok(Certificate { valid, key })
        })
    })
}

/// `SubjectPublicKeyInfo`, where it is one of RSA.
fn public_key(info: &mut der::SliceReader<'_>) -> der::Result<Vec<u8>> {
    let algorithm = AnyRef::decode(info)?.sequence(|algorithm| {
        let name: ObjectIdentifier = algorithm.decode()?;
        skip(algorithm)?;
        Ok::<_, der::Error>(name)
    })?;
    let key: BitStringRef<'_> = info.decode()?;
    match key.as_bytes() {
        Some(key) if algorithm == RSA => Ok(key.to_vec()),
        _ => Err(der::ErrorKind::OidUnknown { oid: algorithm }.into()),
    }
}

fn time(value: AnyRef<'_>) -> der::Result<Timestamp> {
    let since_1970 = match value.header().tag() {
        Tag::UtcTime => value.decode_as::<UtcTime>()?.to_unix_duration(),
        _ => value.decode_as::<GeneralizedTime>()?.to_unix_duration(),
    };
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).map_err(|_| der::ErrorKind::DateTime.into())
}

/// Passes over what is not used.
fn skip<'a>(reader: &mut impl Reader<'a>) -> der::Result<()> {
    while !reader.is_finished() {
        AnyRef::decode(reader)?;
    }
    Ok(())
}
