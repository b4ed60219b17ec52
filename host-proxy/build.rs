//! Builds again when the page gains or loses a file: the embedding notices changed files only.

fn main() {
    println!("cargo::rerun-if-changed=../web");
}
