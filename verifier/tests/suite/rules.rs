//! The rules that `docs/verify.md` lists, with the exit status of each.

use std::{collections::BTreeSet, fs, path::Path};

use crate::harness::documented;

/// The texts between these, in a source file.
fn between<'a>(source: &'a str, before: &str, after: &str) -> impl Iterator<Item = &'a str> {
    let parts: Vec<_> = source.split(before).skip(1).collect();
    let after = after.to_owned();
    parts
        .into_iter()
        .filter_map(move |part| part.split(after.as_str()).next())
}

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // The rules of channels are in docs/ra-tls.md.
        if path.is_dir() && !path.ends_with("channel") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_rule_of_the_source_is_documented_and_the_reverse() {
    let mut all = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    sources(&root.join("src"), &mut all);
    sources(&root.join("../attestation/src"), &mut all);
    let mut rules = BTreeSet::new();
    for source in &all {
        for body in between(source, "fn rule(", "\n    }\n") {
            rules.extend(body.split('"').skip(1).step_by(2));
        }
        for call in [
            "Failure::new(",
            "failed(",
            "output::refused(args.json, ",
            "source::whole(",
        ] {
            for text in between(source, call, ";") {
                let literal = text.trim_start().strip_prefix('"');
                rules.extend(literal.and_then(|text| text.split('"').next()));
            }
        }
    }
    assert!(rules.len() > 120, "{}", rules.len());
    let documented = documented();
    for rule in &rules {
        assert!(documented.contains_key(rule), "{rule} is not documented");
    }
    for rule in documented.keys() {
        assert!(rules.contains(rule), "no source has {rule}");
    }
}

#[test]
fn every_rule_says_what_to_do() {
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/verify.md"));
    let docs = docs.unwrap();
    let table = docs.split_once("| Rule | Ends with |").unwrap().1;
    let (header, rows) = table.split_once('\n').unwrap();
    assert!(header.trim_end().ends_with("| What to do |"), "{header}");
    let rows: Vec<_> = rows
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(rows.len() > 50, "{}", rows.len());
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let ["", rules, _, means, then, ""] = cells.as_slice() else {
            panic!("not four cells: {row}")
        };
        assert!(
            means.len() > 10 && then.len() > 10,
            "{rules}: {means}: {then}"
        );
    }
}
