//! TLS over a probe's connection: what is asked of a back end, what it showed, and in plain words
//! why the two could not agree.
//!
//! A lab's certificates are mostly signed by nobody, so any is taken unless `ca` says otherwise.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore,
    SignatureScheme,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Failure, Stage, Trouble, failure};
use crate::http::{Broken, Timed, Url};
use crate::modules::Error;

/// What is asked of a server that speaks TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// A file of certificates (PEM) on the host that asks: one of them must be the server's, or
    /// have signed it. Name and dates are looked at then, too.
    pub ca: Option<String>,
    /// The name that the server is asked for (SNI), and, with `ca`, that its certificate must be
    /// for; the URL's host unless written.
    pub server_name: Option<String>,
}

/// Speaks TLS as a client, the same way over each connection.
#[derive(Debug)]
pub(super) struct Speaker {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// What came of a handshake.
#[derive(Debug)]
pub(super) struct Agreed {
    /// The SHA-256 of the server's certificate.
    pub(super) certificate: Option<String>,
    pub(super) failure: Option<Failure>,
}

impl Speaker {
    /// An error is one of this host.
    pub(super) fn new(tls: &Tls, url: &Url) -> Result<Self, Error> {
        let name = tls.server_name.as_deref().unwrap_or(&url.host);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            Error::new(format!("`{name}` is no name that a certificate could be for"))
                .hint("give one as `server_name`")
        })?;
        let provider = Arc::new(ring::default_provider());
        let trust = Trust {
            roots: tls.ca.as_deref().map(|file| Roots::read(file, &provider)).transpose()?,
            schemes: provider.signature_verification_algorithms.supported_schemes(),
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::new(format!("failed to set up TLS: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trust))
            .with_no_client_auth();
        // Who is asked again shows its certificate again: it may be another real server.
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), name })
    }
}

/// A connection, and TLS over it once that is agreed on.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) timed: Timed<'a>,
    session: Option<ClientConnection>,
}

impl<'a> Line<'a> {
    pub(super) fn new(timed: Timed<'a>) -> Self {
        Self { timed, session: None }
    }

    /// Agrees on TLS with the server.
    pub(super) fn agree(&mut self, speaker: &Speaker) -> Agreed {
        let new = ClientConnection::new(Arc::clone(&speaker.config), speaker.name.clone());
        let mut session = match new {
            Ok(session) => session,
            Err(error) => return Agreed { certificate: None, failure: Some(refused(&error)) },
        };
        // Of half an answer rustls says nothing when the time is over; the next attempt does.
        let agreed = loop {
            match session.complete_io(&mut self.timed) {
                Ok(_) if session.is_handshaking() => {}
                Ok(_) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let failure = agreed.err().map(broken);
        let shown = session.peer_certificates().and_then(<[_]>::first);
        let certificate = shown.map(|shown| fingerprint(shown));
        self.session = Some(session);
        Agreed { certificate, failure }
    }
}

impl Read for Line<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else { return self.timed.read(buffer) };
        rustls::Stream::new(session, &mut self.timed).read(buffer).map_err(|error| {
            match error.kind() {
                ErrorKind::UnexpectedEof => {
                    io::Error::new(error.kind(), "the connection was closed without TLS's goodbye")
                }
                _ => error,
            }
        })
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.session {
            None => self.timed.write(bytes),
            Some(session) => rustls::Stream::new(session, &mut self.timed).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.session {
            None => self.timed.flush(),
            Some(session) => rustls::Stream::new(session, &mut self.timed).flush(),
        }
    }
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why there is no agreement, when reading or writing failed.
fn broken(error: io::Error) -> Failure {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return refused(error);
    }
    if error.kind() == ErrorKind::UnexpectedEof {
        let message = "the connection was closed during the TLS handshake".into();
        return Failure { stage: Stage::Handshake, trouble: Trouble::Closed, message };
    }
    failure(Stage::Handshake, &Broken::Io(error))
}

/// The same, when TLS itself says so.
fn refused(error: &rustls::Error) -> Failure {
    let (trouble, message) = match error {
        rustls::Error::InvalidCertificate(error) => (Trouble::Untrusted, untrusted(error)),
        rustls::Error::InvalidMessage(error) => {
            (Trouble::Malformed, format!("it speaks no TLS there: the answer is none ({error:?})"))
        }
        rustls::Error::AlertReceived(alert) => {
            (Trouble::Tls, format!("the server ends the TLS handshake: {alert:?}"))
        }
        error => (Trouble::Tls, format!("no agreement on TLS: {error}")),
    };
    Failure { stage: Stage::Handshake, trouble, message }
}

fn untrusted(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the certificate is not trusted: `ca` has neither it nor who signed it".into()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let named: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            let expected = expected.to_str();
            match named.as_slice() {
                [] => format!(
                    "the certificate is not for `{expected}`: it has no subjectAltName, and a \
                     common name does not count"
                ),
                named => format!(
                    "the certificate is not for `{expected}`, but for `{}`",
                    named.join("`, `")
                ),
            }
        }
        CertificateError::ExpiredContext { time, not_after } => {
            let days = time.as_secs().saturating_sub(not_after.as_secs()) / (24 * 60 * 60);
            format!("the certificate has expired, {days} days ago by this host's clock")
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            let days = not_before.as_secs().saturating_sub(time.as_secs()) / (24 * 60 * 60);
            format!("the certificate is not valid yet, for {days} more days by this host's clock")
        }
        error => format!("the certificate is not trusted: {error}"),
    }
}

/// `DnsName("web.test")` without what is around the name.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner.trim_end_matches(')'));
    inner.trim_matches('"')
}

/// Which certificates are taken: any, without roots.
#[derive(Debug)]
struct Trust {
    roots: Option<Roots>,
    schemes: Vec<SignatureScheme>,
}

/// What stands in the file `ca`.
#[derive(Debug)]
struct Roots {
    certificates: Vec<CertificateDer<'static>>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Roots {
    fn read(file: &str, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let bad = |why: &dyn std::fmt::Display| {
            Error::new(format!("`{file}` has no certificates to trust: {why}"))
                .hint("`ca` is a file on the host that asks, with certificates in PEM")
        };
        let text = fs::read(file).map_err(|error| {
            Error::io(format!("failed to read `{file}`"), &error)
                .hint("`ca` is a file on the host that asks")
        })?;
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, _>>()
            .map_err(|error| bad(&error))?;
        if certificates.is_empty() {
            return Err(bad(&"there is no `BEGIN CERTIFICATE` in it"));
        }
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(|error| bad(&error))?;
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                .build()
                .map_err(|error| bad(&error))?;
        Ok(Self { certificates, verifier })
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(Roots { certificates, verifier }) = &self.roots else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified =
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // What `openssl req -x509` makes is a server's certificate and an authority's in one,
            // which webpki takes for no server's whoever signed it; the dates are good by then.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(why)))
                if why.to_string().contains("CaUsedAsEndEntity") =>
            {
                if !certificates.contains(end_entity) {
                    return Err(CertificateError::UnknownIssuer.into());
                }
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.roots {
            Some(roots) => roots.verifier.verify_tls12_signature(message, certificate, signed),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.roots {
            Some(roots) => roots.verifier.verify_tls13_signature(message, certificate, signed),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

#[cfg(test)]
mod tests;
