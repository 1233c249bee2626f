use tokio::net::TcpListener;

use super::*;
use crate::Secret;

/// A proxy of one connection that must be told `expected` and says `answer`, each in turn; then it echoes one byte.
async fn script(steps: Vec<(Vec<u8>, Vec<u8>)>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for (expected, answer) in steps {
            let mut told = vec![0; expected.len()];
            stream.read_exact(&mut told).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&told), String::from_utf8_lossy(&expected));
            stream.write_all(&answer).await.unwrap();
        }
        let byte = stream.read_u8().await.unwrap();
        stream.write_u8(byte).await.unwrap();
    });
    port
}

fn through(scheme: &str, userinfo: &str, port: u16) -> Proxy {
    Proxy::Url(Secret::new(Url::parse(&format!("{scheme}://{userinfo}127.0.0.1:{port}")).unwrap()))
}

async fn echo(proxy: &Proxy) -> Result<u8, String> {
    let mut stream = connect("git.example", 22, proxy, &TrustRoots::System).await.map_err(|e| e.to_string())?;
    stream.write_u8(7).await.unwrap();
    Ok(stream.read_u8().await.unwrap())
}

#[tokio::test]
async fn an_http_proxy_is_asked_with_credentials_and_its_refusals_are_named() {
    let plain = "CONNECT git.example:22 HTTP/1.1\r\nHost: git.example:22\r\n";
    let with = format!("{plain}Proxy-Authorization: Basic dTpwQHc=\r\n\r\n");
    for (userinfo, request, answer, expected) in [
        ("", format!("{plain}\r\n"), "HTTP/1.1 200 OK\r\nVia: x\r\n\r\n", Ok(7)),
        ("u:p%40w@", with.clone(), "HTTP/1.0 200\r\n\r\n", Ok(7)),
        ("u:p%40w@", with, "HTTP/1.1 407 No\r\n\r\n", Err("the proxy refused the credentials")),
        ("", format!("{plain}\r\n"), "HTTP/1.1 503 No\r\n\r\n", Err("the proxy refused to connect: status 503")),
        ("", format!("{plain}\r\n"), "SSH\r\n\r\n", Err("the proxy refused to connect: its answer is not HTTP")),
    ] {
        let port = script(vec![(request.into_bytes(), answer.as_bytes().to_vec())]).await;
        assert_eq!(echo(&through("http", userinfo, port)).await, expected.map_err(str::to_owned), "{answer}");
    }
}

#[tokio::test]
async fn a_socks5_proxy_resolves_the_name_and_gets_the_credentials() {
    let ask = [&[5, 1, 0, 3, 11][..], b"git.example", &[0, 22]].concat();
    let granted = vec![5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let port = script(vec![(vec![5, 1, 0], vec![5, 0]), (ask.clone(), granted.clone())]).await;
    assert_eq!(echo(&through("socks5", "", port)).await, Ok(7));

    let login = vec![1, 1, b'u', 3, b'p', b'@', b'w'];
    let named = [&[5, 0, 0, 3, 2][..], b"ab", &[0, 22]].concat();
    let port = script(vec![(vec![5, 1, 2], vec![5, 2]), (login.clone(), vec![1, 0]), (ask.clone(), named)]).await;
    assert_eq!(echo(&through("socks5", "u:p%40w@", port)).await, Ok(7));

    let port = script(vec![(vec![5, 1, 2], vec![5, 2]), (login, vec![1, 1])]).await;
    let refused = Err("the proxy refused the credentials".to_owned());
    assert_eq!(echo(&through("socks5", "u:p%40w@", port)).await, refused);
    let port = script(vec![(vec![5, 1, 0], vec![5, 255])]).await;
    assert_eq!(echo(&through("socks5", "", port)).await, refused);
    let port = script(vec![(vec![5, 1, 0], vec![5, 0]), (ask, vec![5, 5, 0, 1])]).await;
    assert_eq!(echo(&through("socks5", "", port)).await, Err("the proxy refused to connect: code 5".to_owned()));
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let port = script(vec![(b"CONNECT".to_vec(), vec![b'x'; MAX_CONNECT_ANSWER + 1])]).await;
    let refused = "the proxy refused to connect: its answer is too long".to_owned();
    assert_eq!(echo(&through("http", "", port)).await, Err(refused));
}
