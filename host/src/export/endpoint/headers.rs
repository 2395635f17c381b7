//! The headers of a backend: those that were written down, and those whose values stand in files.

use super::{Protocol, Unusable, header_map, unusable};
use crate::secret::SecretSource;
use crate::setting_file::SettingFile;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

/// Without values in its `Debug` form, since those of headers are marked as sensitive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::export) struct Headers {
    written: HeaderMap,
    files: Vec<HeaderFile>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct HeaderFile {
    name: HeaderName,
    /// What stands before the value.
    scheme: &'static str,
    file: SettingFile,
}

impl Headers {
    pub(super) fn written(written: HeaderMap) -> Self {
        Self { written, files: Vec::new() }
    }

    /// What a configuration says. A file is named `headers.NAME.file`.
    pub(super) fn of_settings(headers: &[(String, SecretSource)], protocol: Protocol) -> Result<Self, Unusable> {
        let texts = headers.iter().filter_map(|(name, source)| match source {
            SecretSource::Text(text) => Some((name.as_str(), text.expose())),
            SecretSource::File(_) => None,
        });
        let mut all = Self::written(header_map("headers", texts, protocol)?);
        for (name, source) in headers {
            if let SecretSource::File(path) = source {
                // The name is checked as if there was a value.
                let checked = header_map("headers", [(name.as_str(), "")], protocol)?;
                let file = SettingFile::new(&format!("headers.{name}.file"), path);
                all.files.extend(
                    checked
                        .into_iter()
                        .filter_map(|(name, _)| Some(HeaderFile { name: name?, scheme: "", file: file.clone() })),
                );
            }
        }
        Ok(all)
    }

    /// Adds a bearer token (RFC 6750, section 2.1), in place of another authorization. A file is named
    /// `auth.token_file`.
    pub(super) fn set_token(&mut self, token: &SecretSource, protocol: Protocol) -> Result<(), Unusable> {
        self.written.remove(AUTHORIZATION);
        match token {
            SecretSource::Text(token) => {
                let value = format!("Bearer {}", token.expose());
                let header = header_map("auth.token", [("authorization", value.as_str())], protocol)?;
                self.written.extend(header);
            }
            SecretSource::File(path) => {
                let file = SettingFile::new("auth.token_file", path);
                self.files.push(HeaderFile { name: AUTHORIZATION, scheme: "Bearer ", file });
            }
        }
        Ok(())
    }

    pub(super) fn has(&self, name: &HeaderName) -> bool {
        self.names().any(|known| known == name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.written.keys().chain(self.files.iter().map(|header| &header.name))
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &SettingFile> {
        self.files.iter().map(|header| &header.file)
    }

    /// All of them, with what the files hold now.
    ///
    /// # Errors
    /// Every file that cannot be read, or holds no value that HTTP allows.
    pub(in crate::export) fn read(&self) -> Result<HeaderMap, Vec<Unusable>> {
        let (mut headers, mut wrong) = (self.written.clone(), Vec::new());
        for header in &self.files {
            match header.read() {
                Ok(value) => {
                    headers.append(&header.name, value);
                }
                Err(unusable) => wrong.push(unusable),
            }
        }
        if wrong.is_empty() { Ok(headers) } else { Err(wrong) }
    }
}

impl HeaderFile {
    /// Without the blanks and line ends around it, which editors leave.
    fn read(&self) -> Result<HeaderValue, Unusable> {
        let bytes = self.file.read()?;
        let text = bytes.trim_ascii();
        if text.is_empty() {
            return Err(self.file.unusable("the file is empty"));
        }
        let value = HeaderValue::from_bytes(&[self.scheme.as_bytes(), text].concat());
        let mut value = value
            .ok()
            .filter(|value| value.to_str().is_ok())
            .ok_or_else(|| self.file.unusable("the file holds characters that HTTP does not allow in a header"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// There is no sense in two of them.
pub(super) fn two_authorizations() -> Unusable {
    unusable("auth", "there is a header `authorization` too; leave one of the two out")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use std::fs;

    fn read(bytes: &[u8]) -> Result<HeaderMap, Vec<Unusable>> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        fs::write(&path, bytes).expect("it is written");
        let mut headers = Headers::default();
        headers.set_token(&SecretSource::File(path), Protocol::Grpc).expect("a token");
        headers.read()
    }

    #[test]
    fn a_token_stands_alone_in_its_file() {
        let headers = read(b"s3cret\n").expect("it can be read");
        assert_eq!(headers.get(AUTHORIZATION), Some(&HeaderValue::from_static("Bearer s3cret")));
        assert!(!format!("{headers:?}").contains("s3cret"));
    }

    #[test]
    fn a_file_without_a_value_that_can_be_sent_is_told_without_it() {
        for wrong in [b"".as_slice(), b" \n", b"s3\ncret", b"s3cret\x07", b"s3cret\xff"] {
            let wrong = read(wrong).expect_err("it cannot be sent");
            assert_eq!(wrong.first().map(|wrong| wrong.name.as_str()), Some("auth.token_file"));
            assert!(!format!("{wrong:?}").contains("s3"), "{wrong:?}");
        }
    }

    #[test]
    fn a_token_takes_the_place_of_a_header() {
        let mut headers = Headers::written(HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("old"))]));
        headers.set_token(&SecretSource::Text(Secret::new("new")), Protocol::Grpc).expect("a token");
        let headers = headers.read().expect("there is no file");
        let values: Vec<_> = headers.get_all(AUTHORIZATION).iter().collect();
        assert_eq!(values, ["Bearer new"]);
    }
}
