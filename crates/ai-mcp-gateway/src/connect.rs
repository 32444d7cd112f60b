//! Changes settings of other programs, and the gateway's own file, so that nothing of them is lost:
//! whole files are replaced in one step, what stood there before is kept, and can be put back.

pub(crate) mod files;
pub(crate) mod own_file;
pub(crate) mod record;
