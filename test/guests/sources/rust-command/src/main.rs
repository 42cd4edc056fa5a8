//! A command as a Rust vendor writes one: `cargo build --target wasm32-wasip2`.
fn main() {
    println!("hello, {} arguments", std::env::args().count());
    if std::env::var("FAIL").is_ok() { std::process::exit(4); }
    println!("threads: {:?}", std::thread::Builder::new().spawn(|| 1).map(|_| ()).map_err(|e| e.to_string()));
    println!("tcp: {:?}", std::net::TcpStream::connect("127.0.0.1:80").map(|_| ()).map_err(|e| e.to_string()));
    println!("dns: {:?}", std::net::ToSocketAddrs::to_socket_addrs("example.com:80").map(|_| ()).map_err(|e| e.to_string()));
    println!("udp: {:?}", std::net::UdpSocket::bind("0.0.0.0:0").map(|_| ()).map_err(|e| e.to_string()));
    println!("listen: {:?}", std::net::TcpListener::bind("0.0.0.0:0").map(|_| ()).map_err(|e| e.to_string()));
    println!("write: {:?}", std::fs::write("/tmp/x", "y").map_err(|e| e.to_string()));
    println!("cwd: {:?}", std::env::current_dir().map_err(|e| e.to_string()));
    println!("list: {:?}", std::fs::read_dir(".").map(|_| ()).map_err(|e| e.to_string()));
    let mut line = String::new();
    println!("stdin: {:?}", std::io::stdin().read_line(&mut line).map_err(|e| e.to_string()));
}
