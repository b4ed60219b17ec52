//! Several who serve one file.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2_two_who_write_one_file_take_turns_and_neither_fails() {
    const EACH: u32 = 2000;
    const TASKS: u32 = 40;
    let dir = tempfile::tempdir().unwrap();
    let mut tasks = Vec::new();
    for (base, database) in [(0, open(&dir)), (EACH, open(&dir))] {
        for task in 0..TASKS {
            let database = database.clone();
            tasks.push(tokio::spawn(async move {
                for n in (task..EACH).step_by(TASKS as usize) {
                    write(&database, base + n, b"word").await.unwrap();
                    assert_ne!(word(&database, base + n).await, None);
                }
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(count(&open(&dir)).await, 2 * EACH);
}

#[tokio::test]
async fn many_may_open_and_close_one_directory_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        let inner = dir.path().join("new");
        std::thread::scope(|scope| {
            for n in 0..6 {
                let inner = &inner;
                scope.spawn(move || {
                    let database = open_at(inner).unwrap();
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .build()
                        .unwrap();
                    runtime.block_on(async {
                        write(&database, n, b"a").await.unwrap();
                        assert_eq!(word(&database, n).await, Some(b"a".to_vec()));
                        database.close().await;
                    });
                });
            }
        });
        let database = open_at(&inner).unwrap();
        assert_eq!(count(&database).await, 6);
        database.close().await;
        std::fs::remove_dir_all(&inner).unwrap();
    }
}

#[tokio::test]
async fn h2_whoever_is_not_in_turn_waits_instead_of_failing() {
    const SOON: Duration = Duration::from_millis(200);
    let dir = tempfile::tempdir().unwrap();
    let database = open(&dir);
    let path = dir.path().join(LAYOUT.file_name);
    let mut other = Turnstile::open(&path).unwrap();

    let turn = other.enter(crate::lock::WAIT).unwrap();
    let words = add(vec![(1, b"a".to_vec())]);
    let mut written = queued(&database, Durability::Synced, words).await;
    assert!(tokio::time::timeout(SOON, &mut written).await.is_err());
    // who reads needs no turn
    assert_eq!(word(&database, 1).await, None);
    drop(turn);
    written.await.unwrap().unwrap();

    let turn = other.enter(crate::lock::WAIT).unwrap();
    let at = dir.path().to_owned();
    let mut opened = tokio::task::spawn_blocking(move || open_at(&at));
    assert!(tokio::time::timeout(SOON, &mut opened).await.is_err());
    drop(turn);
    let opened = opened.await.unwrap().unwrap();
    assert_eq!(count(&opened).await, 1);
}
