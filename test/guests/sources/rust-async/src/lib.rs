//! A command of WASI 0.3: posts a body in pieces while it naps, reads the answer, and prints what came of it; then prints
//! something more, after it has returned. Its arguments, behind its name: authority, path, body, naps. With `tcp`, a host, a
//! port and a text it says that by a socket, and prints the answer.
use futures_util::future::{join_all, join3};
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
use wasip3::sockets::ip_name_lookup::resolve_addresses;
use wasip3::sockets::types::{IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, TcpSocket};
use wasip3::{spawn_local, wit_future, wit_stream};

struct Component;
wasip3::cli::command::export!(Component);

impl wasip3::exports::cli::run::Guest for Component {
    async fn run() -> Result<(), ()> {
        let arguments = wasip3::cli::environment::get_arguments();
        let result = match arguments.get(1).map(String::as_str) {
            Some("tcp") => tcp(&arguments[2..]).await,
            _ => post(&arguments).await,
        };
        print(format!("{result:?}")).await;
        spawn_local(async { print(" later".into()).await });
        result.map(|_| ()).map_err(|_| ())
    }
}

async fn post(arguments: &[String]) -> Result<String, String> {
    let [_, authority, path, body, naps] = arguments else { return Err("arguments".into()) };
    let (mut writer, contents) = wit_stream::new();
    let (trailers_tx, trailers) = wit_future::new(|| Ok(None));
    let (request, sent) = Request::new(Fields::new(), Some(contents), trailers, None);
    request.set_method(&Method::Post).map_err(|()| "method")?;
    request.set_scheme(Some(&Scheme::Http)).map_err(|()| "scheme")?;
    request.set_authority(Some(authority)).map_err(|()| "authority")?;
    request.set_path_with_query(Some(path)).map_err(|()| "path")?;
    let write = async move {
        for piece in body.as_bytes().chunks(3) {
            if !writer.write_all(piece.to_vec()).await.is_empty() {
                break;
            }
        }
        drop(writer);
        let _ = trailers_tx.write(Ok(None)).await;
    };
    let naps = (0..naps.parse().unwrap_or(0)).map(|_| wasip3::clocks::monotonic_clock::wait_for(5_000_000));
    let (answer, (), napped) = join3(wasip3::http::client::send(request), write, join_all(naps)).await;
    let response = answer.map_err(|error: ErrorCode| format!("{error:?}"))?;
    sent.await.map_err(|error| format!("{error:?}"))?;
    let status = response.get_status_code();
    let (handled_tx, handled) = wit_future::new(|| Ok(()));
    drop(handled_tx);
    let (stream, trailers) = Response::consume_body(response, handled);
    let bytes = stream.collect().await;
    trailers.await.map_err(|error| format!("{error:?}"))?;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(100)]).into_owned();
    Ok(format!("{status} {} {} {text}", napped.len(), bytes.len()))
}

async fn tcp(arguments: &[String]) -> Result<String, String> {
    let [host, port, text] = arguments else { return Err("arguments".into()) };
    let addresses = resolve_addresses(host.clone()).await.map_err(|error| format!("{error:?}"))?;
    let Some(IpAddress::Ipv4(address)) = addresses.first().copied() else { return Err("address".into()) };
    let socket = TcpSocket::create(IpAddressFamily::Ipv4).map_err(|error| format!("{error:?}"))?;
    let port = port.parse().map_err(|_| "port")?;
    let remote = IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address });
    socket.connect(remote).await.map_err(|error| format!("{error:?}"))?;
    let (mut writer, contents) = wit_stream::new();
    let sent = socket.send(contents);
    let (stream, received) = socket.receive();
    writer.write_all(text.clone().into_bytes()).await;
    drop(writer);
    sent.await.map_err(|error| format!("{error:?}"))?;
    let answer = stream.collect().await;
    received.await.map_err(|error| format!("{error:?}"))?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

async fn print(text: String) {
    let (mut writer, contents) = wit_stream::new();
    let printed = wasip3::cli::stdout::write_via_stream(contents);
    writer.write_all(text.into_bytes()).await;
    drop(writer);
    let _ = printed.await;
}
