//! An HTTP client as a Rust vendor writes one: the waki crate over wasi:http.
wit_bindgen::generate!({ path: "http.wit", world: "web" });
struct G;
impl exports::guests::web::api::Guest for G {
    fn post(url: String, body: String) -> Result<String, String> {
        let r = waki::Client::new().post(&url).header("x-a", "b").connect_timeout(std::time::Duration::from_secs(2)).body(body.into_bytes()).send().map_err(|e| format!("{e:?}"))?;
        let status = r.status_code();
        let body = r.body().map_err(|e| format!("{e:?}"))?;
        Ok(format!("{status} {}", String::from_utf8_lossy(&body)))
    }
}
export!(G);
