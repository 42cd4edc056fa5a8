//! Sockets as a Rust vendor uses them: the standard library, and an HTTP client over it that knows nothing of WASI.
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

wit_bindgen::generate!({ path: "net.wit", world: "net" });
struct G;
impl exports::guests::net::api::Guest for G {
    fn tcp(host: String, port: u16, text: String) -> Result<String, String> {
        let run = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect((host.as_str(), port))?;
            stream.set_nodelay(true)?;
            stream.write_all(text.as_bytes())?;
            stream.shutdown(Shutdown::Write)?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(format!("{} {answer}", stream.peer_addr()?))
        };
        run().map_err(|error| error.to_string())
    }

    fn get(url: String) -> Result<String, String> {
        let run = || -> Result<String, ureq::Error> {
            let mut response = ureq::get(&url).header("x-by", "ureq").call()?;
            let status = response.status().as_u16();
            Ok(format!("{status} {}", response.body_mut().read_to_string()?))
        };
        run().map_err(|error| error.to_string())
    }
}
export!(G);
