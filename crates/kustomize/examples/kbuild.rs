//! Temporary.
use sluice_kustomize::*;
fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut reorder = Reorder::Legacy;
    if args[0] == "--fifo" {
        reorder = Reorder::None;
        args.remove(0);
    }
    if args[0] == "build" {
        args.remove(0);
    }
    let root = std::fs::canonicalize(".").unwrap();
    let tree = DirTree::new(&root, 1 << 30).unwrap();
    let rel = args[0].clone();
    let options = Options {
        load_restrictor: LoadRestrictor::RootOnly,
        reorder,
        root_label: root.to_str().unwrap().to_owned(),
        ..Options::default()
    };
    let dir = if rel.starts_with('/') {
        RelPath::new(rel.trim_start_matches(root.to_str().unwrap()).trim_start_matches('/'))
    } else {
        RelPath::new(&rel)
    }
    .unwrap();
    match build(&tree, &dir, &options) {
        Ok(b) => {
            for w in &b.warnings {
                eprintln!("{w}");
            }
            print!("{}", b.to_yaml().unwrap());
        }
        Err(e) => {
            eprintln!("Error: {}", describe(&e));
            std::process::exit(1)
        }
    }
}
