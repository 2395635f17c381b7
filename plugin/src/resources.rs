//! Resources: who a span is attributed to. The session belongs to the contact centre, a participant to its team:
//! backends colour, list and search by `service.name`.

use crate::attributes::{Attributes, Key};
use crate::bindings::Attribute;
use crate::options::Options;
use crate::scalar::{cut, is_blank};
use std::collections::BTreeMap;

/// Bytes a team's `service.name` may have.
const SERVICE_NAME_BYTES_MAX: usize = 128;

/// The resources of one trace. The first is the session's.
#[derive(Debug)]
pub(crate) struct Resources<'o> {
    options: &'o Options,
    /// The service names of the teams, each with the index of its resource.
    teams: BTreeMap<String, u32>,
}

/// The index of the session's resource.
pub(crate) const SESSION: u32 = 0;

impl<'o> Resources<'o> {
    pub(crate) fn new(options: &'o Options) -> Self {
        Resources { options, teams: BTreeMap::new() }
    }

    /// The index of the resource of whoever serves in this skill group.
    pub(crate) fn of_skill_group(&mut self, name: Option<&str>) -> u32 {
        let Some(name) = name.filter(|_| self.options.service_per_skill_group) else { return SESSION };
        let mut service_name = format!("{}/", self.options.service_name);
        let prefix = service_name.len();
        service_name.extend(name.chars().filter(|character| !character.is_control()));
        if service_name.get(prefix..).is_none_or(is_blank) {
            return SESSION;
        }
        service_name.truncate(cut(&service_name, SERVICE_NAME_BYTES_MAX).len());
        let next = u32::try_from(self.teams.len() + 1).unwrap_or(SESSION);
        *self.teams.entry(service_name).or_insert(next)
    }

    pub(crate) fn into_list(self, app_id: Option<i64>) -> Vec<Vec<Attribute>> {
        let resource = |service_name: &str| {
            let mut attributes = Attributes::with_capacity(4, usize::MAX);
            attributes.text(Key::ServiceName, Some(service_name));
            attributes.text(Key::CloudProvider, Some("tencent_cloud"));
            attributes.id(Key::AppId, app_id);
            attributes.text(Key::HostName, self.options.host_name.as_deref());
            attributes.into_list()
        };
        let mut teams: Vec<(&String, &u32)> = self.teams.iter().collect();
        teams.sort_by_key(|(_, index)| **index);
        std::iter::once(self.options.service_name.as_str())
            .chain(teams.into_iter().map(|(name, _)| name.as_str()))
            .map(resource)
            .collect()
    }
}
