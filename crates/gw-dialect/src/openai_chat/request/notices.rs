//! What an encoder could not say, collected: one notice a feature, however often it occurs.

use gw_core::chat::{Notice, NoticeAction};

/// The notices of one request.
#[derive(Default)]
pub(crate) struct Notices {
    list: Vec<Notice>,
}

impl Notices {
    /// Notes that a feature is left out.
    pub(crate) fn dropped(&mut self, feature: &str, detail: &str) {
        self.add(feature, NoticeAction::Dropped, detail);
    }

    /// Notes that a feature is reached by other means.
    pub(crate) fn emulated(&mut self, feature: &str, detail: &str) {
        self.add(feature, NoticeAction::Emulated, detail);
    }

    /// All of them, in the order they came up.
    pub(crate) fn into_vec(self) -> Vec<Notice> {
        self.list
    }

    fn add(&mut self, feature: &str, action: NoticeAction, detail: &str) {
        if self.list.iter().all(|notice| notice.feature != feature) {
            let (feature, detail) = (feature.to_owned(), detail.to_owned());
            self.list.push(Notice { feature, action, detail });
        }
    }
}
