//! A guest as a Rust vendor writes one: std, wit-bindgen, the wasm32-wasip2 target and nothing of this project.
use std::io::Write;

wit_bindgen::generate!({ path: "../probe.wit", world: "probe" });

struct Probe;

use exports::guests::probe::api::{Guest, Marks, Mood, Point, Shape};

impl Guest for Probe {
    fn echo(text: String) -> String { text.chars().rev().collect() }
    fn sum(numbers: Vec<u32>) -> u64 { numbers.iter().map(|&n| n as u64).sum() }
    fn area(shape: Shape, marks: Marks, mood: Mood) -> Result<Point, String> {
        match shape {
            Shape::Circle(r) => Ok(Point { x: r * r * std::f64::consts::PI, y: marks.bits() as f64, label: Some(format!("{mood:?}")) }),
            Shape::Polygon(p) => p.first().cloned().ok_or_else(|| "no corners".to_string()),
            Shape::Nothing => Err("nothing has no area".into()),
        }
    }
    fn now() -> u64 {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    }
    fn random() -> u64 {
        use std::hash::{BuildHasher, Hasher};
        std::collections::hash_map::RandomState::new().build_hasher().finish()
    }
    fn environment() -> Vec<String> {
        std::env::vars().map(|(k, v)| format!("{k}={v}")).chain(std::env::args()).collect()
    }
    fn print(text: String, times: u32) {
        for _ in 0..times { println!("{text}"); }
        eprintln!("done");
        std::io::stdout().flush().unwrap();
    }
    fn read_file(path: String) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|e| e.to_string())
    }
    fn nap(ms: u32) -> u64 {
        let before = std::time::Instant::now();
        std::thread::sleep(std::time::Duration::from_millis(ms as u64));
        before.elapsed().as_millis() as u64
    }
    fn grow(bytes: u32) -> u32 { vec![1u8; bytes as usize].iter().map(|&b| b as u32).sum() }
    fn crash() { panic!("on purpose") }
    fn quit(code: u8) { std::process::exit(code as i32) }
}

export!(Probe);
