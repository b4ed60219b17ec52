//! Somebody who can write host-proxy's database.

use std::cell::RefCell;

pub use openkey_simulator::records::{Row, Rows};

use openkey_simulator::records::Records;
use openkey_simulator::simulation::Simulation;

/// The database of a simulation, opened by somebody else. Each change is one transaction.
pub struct Database(RefCell<Records>);

impl Database {
    /// Opens the database beside the program that serves it: the first enclave's.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn of(simulation: &Simulation) -> Self {
        Self::of_enclave(simulation, 1)
    }

    /// Opens what enclave `number`, from 1, is shown.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn of_enclave(simulation: &Simulation, number: u8) -> Self {
        let enclave = &simulation.ready.enclaves[usize::from(number) - 1];
        let mut hosts = simulation.ready.hosts.iter();
        let host = hosts.find(|host| host.enclaves.contains(&enclave.id));
        let records = Records::open(&host.unwrap().store).unwrap();
        Self(RefCell::new(records))
    }

    /// Everything there is.
    #[must_use]
    pub fn rows(&self) -> Rows {
        self.0.borrow().rows().unwrap()
    }

    /// Puts a row in place of the one with this id, or beside the others.
    pub fn put(&self, id: &[u8], row: &Row) {
        let rows = Rows::from([(id.to_vec(), row.clone())]);
        self.change(&[], &rows);
    }

    /// Deletes a row.
    pub fn delete(&self, id: &[u8]) {
        self.change(&[id.to_vec()], &Rows::new());
    }

    /// Deletes some rows and puts others, in one transaction.
    pub fn change(&self, delete: &[Vec<u8>], put: &Rows) {
        self.0.borrow_mut().change(delete, put).unwrap();
    }

    /// Takes rows away that are not there in `before`, and gives them back: what somebody did since.
    #[must_use]
    pub fn take_new(&self, before: &Rows) -> Rows {
        let mut new = self.rows();
        new.retain(|id, _| !before.contains_key(id));
        let ids: Vec<Vec<u8>> = new.keys().cloned().collect();
        self.change(&ids, &Rows::new());
        new
    }

    /// Puts everything back as it was.
    pub fn restore(&self, rows: &Rows) {
        self.0.borrow_mut().restore(rows).unwrap();
    }
}

/// The rows that one action rewrote: an account's record is the one that every action rewrites.
#[must_use]
pub fn rewritten(before: &Rows, after: &Rows) -> Vec<Vec<u8>> {
    before
        .iter()
        .filter(|(id, row)| after.get(*id).is_some_and(|now| now != *row))
        .map(|(id, _)| id.clone())
        .collect()
}

/// The rows that were written since: new ones and rewritten ones.
#[must_use]
pub fn written(before: &Rows, after: &Rows) -> Rows {
    let mut rows = after.clone();
    rows.retain(|id, row| before.get(id) != Some(row));
    rows
}
