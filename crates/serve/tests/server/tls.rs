//! TLS: certificates that are made here, read again when they change, and asked of clients.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use loquat_serve::TlsFiles;
use loquat_testkit::Authority;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::harness::{Registry, Server};

/// A client that trusts an authority and shows a certificate of its own.
fn trusting(authority: &Authority, identity: Option<&(PathBuf, PathBuf)>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.certificate()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_file(certificate).unwrap()],
                PrivateKeyDer::from_pem_file(key).unwrap(),
            )
            .unwrap(),
    }
}

fn serve(registry: &Registry, (certificate, key): &(PathBuf, PathBuf), authority: Option<PathBuf>) -> Server {
    registry.serve_with(|config| {
        config.tls = Some(TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
            client_authority: authority,
        });
    })
}

/// The first line of the answer to a health check.
fn health(server: &Server, client: ClientConfig) -> std::io::Result<String> {
    let name = "localhost".try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(server.address)?);
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[test]
fn a_client_that_trusts_the_authority_is_answered_and_another_is_not() {
    let registry = Registry::with_tickets();
    let ours = Authority::new(registry.folder.path(), "ours");
    let theirs = Authority::new(registry.folder.path(), "theirs");
    let server = serve(&registry, &ours.sign("localhost"), None);
    assert_eq!(health(&server, trusting(&ours, None)).unwrap(), "HTTP/1.1 200 OK");
    assert!(health(&server, trusting(&theirs, None)).is_err());
}

#[test]
fn clients_prove_themselves_where_an_authority_is_named() {
    let registry = Registry::with_tickets();
    let ours = Authority::new(registry.folder.path(), "ours");
    let theirs = Authority::new(registry.folder.path(), "theirs");
    let server = serve(&registry, &ours.sign("localhost"), Some(ours.certificate()));
    let friend = ours.sign("friend");
    assert_eq!(health(&server, trusting(&ours, Some(&friend))).unwrap(), "HTTP/1.1 200 OK");
    assert!(health(&server, trusting(&ours, None)).is_err());
    assert!(health(&server, trusting(&ours, Some(&theirs.sign("stranger")))).is_err());
}

#[test]
fn a_new_certificate_is_taken_without_a_restart_and_a_broken_one_is_not() {
    let registry = Registry::with_tickets();
    let ours = Authority::new(registry.folder.path(), "ours");
    let files = ours.sign("localhost");
    let server = serve(&registry, &files, None);
    std::fs::write(&files.0, "nothing").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1200));
    assert_eq!(health(&server, trusting(&ours, None)).unwrap(), "HTTP/1.1 200 OK");
    let next = Authority::new(registry.folder.path(), "next");
    let renewed = next.sign("localhost");
    std::fs::copy(renewed.1, &files.1).unwrap();
    std::fs::copy(renewed.0, &files.0).unwrap();
    server.eventually("the new certificate is shown", |server| health(server, trusting(&next, None)).is_ok());
}
