//! What loading promises: order of precedence, every variable counts, every problem is reported.

mod compat;
mod errors;
mod precedence;
mod secrets;

use std::collections::BTreeMap;
use std::path::PathBuf;

use tempfile::TempDir;

use super::{Inputs, Loaded, Purpose, load};
use crate::source::ConfigErrors;

/// A working directory of its own, and what is loaded in it.
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) inputs: Inputs,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let inputs = Inputs {
            file: None,
            env: BTreeMap::new(),
            cwd: dir.path().to_owned(),
            home: Some(PathBuf::from("/home/user")),
            flags: Vec::new(),
            purpose: Purpose::Serve,
        };
        Self { dir, inputs }
    }

    pub(crate) fn write(self, name: &str, text: &str) -> Self {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn toml(self, text: &str) -> Self {
        self.write("gateway.toml", text)
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.inputs.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn flag(mut self, key: &str, value: &str) -> Self {
        self.inputs.flags.push((key.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn load(&self) -> Result<Loaded, ConfigErrors> {
        load(&self.inputs)
    }

    pub(crate) fn good(&self) -> Loaded {
        self.load().unwrap_or_else(|errors| panic!("{errors}"))
    }

    pub(crate) fn errors(&self) -> String {
        self.load().expect_err("this is wrong").to_string()
    }
}

pub(crate) fn warnings(loaded: &Loaded) -> Vec<String> {
    loaded.warnings.iter().map(ToString::to_string).collect()
}
