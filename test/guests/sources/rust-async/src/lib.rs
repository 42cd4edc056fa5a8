wit_bindgen::generate!({ path: "async.wit", world: "web-client" });

use exports::probe::later::web::Guest;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
use wasip3::{wit_future, wit_stream};

struct Component;
export!(Component);

impl Guest for Component {
    async fn post(authority: String, path: String, body: String, naps: u32) -> Result<String, String> {
        let (mut writer, contents) = wit_stream::new();
        let (trailers_tx, trailers) = wit_future::new(|| Ok(None));
        let (request, sent) = Request::new(Fields::new(), Some(contents), trailers, None);
        request.set_method(&Method::Post).map_err(|()| "method")?;
        request.set_scheme(Some(&Scheme::Http)).map_err(|()| "scheme")?;
        request.set_authority(Some(&authority)).map_err(|()| "authority")?;
        request.set_path_with_query(Some(&path)).map_err(|()| "path")?;
        let write = async move {
            for piece in body.as_bytes().chunks(3) {
                let left = writer.write_all(piece.to_vec()).await;
                if !left.is_empty() {
                    break;
                }
            }
            drop(writer);
            let _ = trailers_tx.write(Ok(None)).await;
        };
        let nap = async move {
            let each = (0..naps).map(|_| wasip3::clocks::monotonic_clock::wait_for(5_000_000));
            futures::future::join_all(each).await.len()
        };
        let (answer, (), napped) = futures::join!(wasip3::http::client::send(request), write, nap);
        let response = answer.map_err(|error: ErrorCode| format!("{error:?}"))?;
        sent.await.map_err(|error| format!("{error:?}"))?;
        let status = response.get_status_code();
        let (handled_tx, handled) = wit_future::new(|| Ok(()));
        drop(handled_tx);
        let (stream, trailers) = Response::consume_body(response, handled);
        let bytes = stream.collect().await;
        trailers.await.map_err(|error| format!("{error:?}"))?;
        Ok(format!("{status} {napped} {}", String::from_utf8_lossy(&bytes)))
    }

    async fn say(text: String) -> u32 {
        let (mut tx, rx) = wit_stream::new();
        let printed = wasip3::cli::stdout::write_via_stream(rx);
        wit_bindgen::spawn_local(async move {
            tx.write_all(text.into_bytes()).await;
            drop(tx);
            let _ = printed.await;
        });
        7
    }
}
