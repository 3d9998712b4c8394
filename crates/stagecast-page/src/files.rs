//! The files of a page: the product's own, or the embedded ones.

use std::{
    borrow::Cow,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{config::CONFIG, embedded::PAGE};

/// The front page, by whose presence a folder counts as a product's own page.
pub const INDEX: &str = "index.html";

/// A file of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageFile {
    /// The name, which is also the path below the page's address.
    pub name: String,
    /// The content.
    pub content: Cow<'static, [u8]>,
}

/// Whether a folder has the page of a product, which replaces the embedded one. The files of a page belong
/// together: all are the product's own, or none is.
pub fn has_page(folder: &Path) -> bool {
    folder.join(INDEX).is_file()
}

/// A file of the page cannot be read.
#[derive(Debug)]
pub struct ReadError {
    /// The file, or the folder.
    pub path: PathBuf,
    /// The error of the operating system.
    pub cause: io::Error,
}

/// All files of the page, without its `config.json`: those of `folder`, or the embedded ones if it has no
/// `index.html`. Subfolders and files whose names begin with a dot are not part of a page. `index.html`
/// comes last, so that an upload in this order has the files that it loads before it.
pub fn files(folder: &Path) -> Result<Vec<PageFile>, ReadError> {
    let mut files = if has_page(folder) {
        read(folder)?
    } else {
        let embedded = PAGE.iter().map(|(name, content)| PageFile {
            name: (*name).to_owned(),
            content: Cow::Borrowed(content),
        });
        embedded.collect()
    };
    files.retain(|file| file.name != CONFIG);
    files.sort_by(|a, b| (a.name == INDEX, &a.name).cmp(&(b.name == INDEX, &b.name)));
    Ok(files)
}

fn read(folder: &Path) -> Result<Vec<PageFile>, ReadError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| ReadError { path, cause }
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_file() && !name.starts_with('.') {
            files.push(PageFile {
                name: name.into_owned(),
                content: Cow::Owned(fs::read(&path).map_err(failed(&path))?),
            });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::media_type;

    fn names(folder: &Path) -> Vec<String> {
        let files = files(folder).expect("readable");
        files.into_iter().map(|file| file.name).collect()
    }

    #[test]
    fn embedded_page_is_used_without_an_own_one() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("page.js"), "").expect("writable");
        let names = names(folder.path());
        assert_eq!(names.len(), PAGE.len());
        assert_eq!(names.last().map(String::as_str), Some(INDEX));
        for (name, _) in PAGE {
            assert_ne!(media_type(name), "application/octet-stream", "{name}");
        }
    }

    #[test]
    fn own_page_replaces_all_embedded_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        fs::create_dir(path.join("more")).expect("a folder");
        for name in [INDEX, "z.js", CONFIG, ".hidden", "more/a.js"] {
            fs::write(path.join(name), name).expect("writable");
        }
        assert_eq!(names(path), ["z.js", INDEX]);
    }
}
