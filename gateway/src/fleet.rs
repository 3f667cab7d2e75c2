//! The clouds and their colours as they are now: what is known of each, and whose turn it is.

mod tally;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{
    clouds::{ColourState, Distribution},
    endpoints::{Candidate, Credits, Health, Level, Pass, Patience, State, Thresholds, least_busy, same_for},
    error::{Error, Kind, Result},
    settings::Environment,
};
use http::{
    Uri,
    uri::{Authority, Scheme},
};

use crate::{
    config::{CloudConfig, Config},
    identity::{self, Identify},
};

pub(crate) use tally::Tally;

/// Every cloud, in the order of the configuration.
pub(crate) struct Fleet {
    pub(crate) clouds: Vec<Cloud>,
    distribution: Distribution,
    credits: Credits,
}

/// A cloud.
pub(crate) struct Cloud {
    pub(crate) name: String,
    pub(crate) ids: String,
    pub(crate) weight: u32,
    priority: u32,
    pub(crate) price: BTreeMap<String, f64>,
    pub(crate) identity: Option<Arc<dyn Identify>>,
    pub(crate) colours: Vec<Placed>,
    credits: Credits,
}

/// A colour with its part of its cloud's requests, which `crosslens shift` changes.
pub(crate) struct Placed {
    pub(crate) colour: Arc<Colour>,
    pub(crate) weight: AtomicU32,
    /// What the file says.
    written: u32,
    most: usize,
}

/// One deployment. It outlives the configuration that it came with, so that what is known of it does too.
pub(crate) struct Colour {
    pub(crate) cloud: String,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    /// What stands before every path; without a slash at its end.
    pub(crate) path: String,
    pub(crate) health: Health,
    pub(crate) tally: Tally,
    pub(crate) under_way: AtomicUsize,
    care: Care,
}

/// How a colour is looked after.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Care {
    patience: Patience,
    thresholds: Thresholds,
    warm_up: Duration,
}

/// What a request asks of the choice.
#[derive(Debug, Default, Clone)]
pub(crate) struct Wish {
    /// This cloud and no other.
    pub(crate) cloud: Option<usize>,
    /// This colour and no other.
    pub(crate) colour: Option<usize>,
    /// Whatever its health.
    pub(crate) anyway: bool,
    /// What has this key goes where it went before.
    pub(crate) key: Option<String>,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) cloud: usize,
    pub(crate) colour: usize,
    level: Level,
}

/// A request under way; it is over when this is dropped.
pub(crate) struct UnderWay(Arc<Colour>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Colour {
    pub(crate) fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// Says in the log and in the metrics where it stands otherwise than before.
    pub(crate) fn observe(&self) {
        let state = self.health.state();
        if self.tally.stood(state) != state {
            let (cloud, colour, word) = (&*self.cloud, &*self.name, shown(state).name());
            match state {
                State::Healthy | State::Warming => tracing::info!(cloud, colour, state = word, "a colour has changed"),
                _ => tracing::warn!(cloud, colour, state = word, "a colour has changed"),
            }
            let labels = [("cloud", self.cloud.clone()), ("colour", self.name.clone()), ("state", word.to_owned())];
            metrics::counter!("crosslens_gateway_turns_total", &labels).increment(1);
        }
    }
}

/// The state in the operator's words.
pub(crate) fn shown(state: State) -> ColourState {
    match state {
        State::Healthy => ColourState::Healthy,
        State::Warming => ColourState::Warming,
        State::Unreachable => ColourState::Unreachable,
        State::Failing | State::Unwell => ColourState::Resting,
    }
}

impl Fleet {
    /// From the configuration, with what is known already of colours that stay as they are.
    pub(crate) fn new(config: &Config, environment: &Environment, before: Option<&Fleet>) -> Result<Self> {
        let clouds = config.clouds.iter().enumerate();
        let clouds = clouds.map(|(place, cloud)| Cloud::new(place, cloud, config, environment, before));
        Ok(Self {
            clouds: clouds.collect::<Result<_>>()?,
            distribution: config.front.distribution,
            credits: Credits::default(),
        })
    }

    pub(crate) fn distribution(&self) -> Distribution {
        self.distribution
    }

    pub(crate) fn find(&self, cloud: &str) -> Option<usize> {
        self.clouds.iter().position(|known| known.name == cloud)
    }

    pub(crate) fn colours(&self) -> impl Iterator<Item = (&Cloud, &Arc<Colour>)> {
        self.clouds.iter().flat_map(|cloud| cloud.colours.iter().map(move |placed| (cloud, &placed.colour)))
    }

    /// Whether anybody may be asked.
    pub(crate) fn is_ready(&self) -> bool {
        self.colours().any(|(_, colour)| colour.health.level() != Level::Out)
    }

    /// Whose turn it is, of those that were not tried. Another cloud comes before the twin of one that was tried, good ones
    /// before doubtful ones: so the last cloud is asked although it is slow, or although nobody's checks succeed, and none
    /// is asked that does not answer.
    ///
    /// # Errors
    /// `rate-limited` where all who would do are full, `unavailable` where there is nobody.
    pub(crate) fn choose(&self, wish: &Wish, tried: &[Turn]) -> Result<Turn> {
        if let (true, Some(cloud), Some(colour)) = (wish.anyway, wish.cloud, wish.colour) {
            return Ok(Turn { cloud, colour, level: Level::Out });
        }
        let mut full = false;
        let turn = self.rounds(wish, tried, &mut full).find_map(|(level, clouds)| self.turn(level, &clouds, wish));
        if let Some(turn) = turn {
            return Ok(turn);
        }
        if full {
            let message = "every cloud has as much under way as it may; try again";
            return Err(Error::new(Kind::RateLimited, message).after(Duration::from_secs(1)));
        }
        let wait = self.colours().map(|(_, colour)| colour.health.wait()).min().unwrap_or_default();
        Err(Error::new(Kind::Unavailable, "no cloud answers now").after(wait.max(Duration::from_secs(1))))
    }

    /// Whether anybody is left after those that were tried. Takes no turn.
    pub(crate) fn has_another(&self, wish: &Wish, tried: &[Turn]) -> bool {
        self.rounds(wish, tried, &mut false).any(|(_, clouds)| !clouds.is_empty())
    }

    /// Who would do, by cloud, in the order in which it is asked for.
    fn rounds(
        &self,
        wish: &Wish,
        tried: &[Turn],
        full: &mut bool,
    ) -> impl Iterator<Item = (Level, Vec<(usize, Vec<Candidate>)>)> {
        let rounds = [Level::Good, Level::Doubtful].into_iter().flat_map(|level| [(level, false), (level, true)]);
        rounds.map(move |(level, again)| {
            let mut clouds = Vec::with_capacity(self.clouds.len());
            for (place, cloud) in self.clouds.iter().enumerate() {
                let was_tried = tried.iter().any(|turn| turn.cloud == place);
                if wish.cloud.is_some_and(|wanted| wanted != place) || was_tried != again {
                    continue;
                }
                let colours = cloud.candidates(place, level, wish, tried, full);
                if !colours.is_empty() {
                    clouds.push((place, colours));
                }
            }
            (level, clouds)
        })
    }

    fn turn(&self, level: Level, clouds: &[(usize, Vec<Candidate>)], wish: &Wish) -> Option<Turn> {
        let standing: Vec<Candidate> =
            clouds.iter().filter_map(|(place, colours)| self.standing(*place, colours)).collect();
        // A cloud without weight is a standby: it comes when there is no other.
        let weighted: Vec<Candidate> = standing.iter().copied().filter(|one| one.weight > 0.0).collect();
        let standing = if weighted.is_empty() { standing.into_iter().map(even).collect() } else { weighted };
        let name = |place: usize| self.clouds.get(place).map_or("", |cloud| &cloud.name);
        let cloud = match (&wish.key, self.distribution) {
            (Some(key), Distribution::Weighted) => same_for(key, &standing, name),
            (None, Distribution::Weighted) => self.credits.next(&standing),
            (_, Distribution::FirstAvailable) => {
                let priority = |one: &Candidate| self.clouds.get(one.place).map(|cloud| cloud.priority);
                let first = standing.iter().map(priority).min()?;
                let equals: Vec<Candidate> = standing.into_iter().filter(|one| priority(one) == first).collect();
                least_busy(&equals)
            }
        }?;
        let (_, colours) = clouds.iter().find(|(place, _)| *place == cloud)?;
        let known = self.clouds.get(cloud)?;
        let name = |place: usize| known.colours.get(place).map_or("", |placed| &placed.colour.name);
        let colour = match &wish.key {
            Some(key) => same_for(key, colours, name),
            None => known.credits.next(colours),
        }?;
        Some(Turn { cloud, colour, level })
    }

    fn standing(&self, place: usize, colours: &[Candidate]) -> Option<Candidate> {
        let cloud = self.clouds.get(place)?;
        let share = |one: &Candidate| cloud.colours.get(one.place).map_or(1.0, |placed| placed.colour.health.share());
        let share = colours.iter().map(share).fold(0.0, f64::max);
        let under_way = colours.iter().map(|one| one.under_way).sum();
        Some(Candidate { place, weight: f64::from(cloud.weight) * share, under_way })
    }

    /// The colour whose turn it is, and the right to ask it; `None` where another request was faster.
    pub(crate) fn enter(&self, turn: Turn) -> Option<(&Cloud, &Arc<Colour>, Pass<'_>)> {
        let cloud = self.clouds.get(turn.cloud)?;
        let colour = &cloud.colours.get(turn.colour)?.colour;
        let pass = match turn.level {
            Level::Out => Some(colour.health.enter_anyway()),
            level => colour.health.enter(level),
        }?;
        Some((cloud, colour, pass))
    }
}

fn even(one: Candidate) -> Candidate {
    Candidate { weight: 1.0, ..one }
}

impl Cloud {
    fn new(
        place: usize,
        config: &CloudConfig,
        whole: &Config,
        environment: &Environment,
        before: Option<&Fleet>,
    ) -> Result<Self> {
        let before = before.and_then(|fleet| fleet.clouds.iter().find(|cloud| cloud.name == config.name));
        let care = Care {
            patience: whole.ejection.patience(),
            thresholds: whole.health.thresholds(),
            warm_up: whole.ejection.warm_up,
        };
        let mut colours = Vec::new();
        for colour in &config.colours {
            let known = before.and_then(|cloud| cloud.colours.iter().find(|known| known.colour.name == colour.name));
            let stays = known.filter(|known| known.colour.url == colour.url.as_str() && known.colour.care == care);
            // What was shifted stays so until the file says something else.
            let weight = match known {
                Some(known) if known.written == colour.weight => known.weight.load(Ordering::Relaxed),
                _ => colour.weight,
            };
            let made = match stays {
                Some(known) => known.colour.clone(),
                None => Arc::new(Colour::new(&config.name, &colour.name, colour.url.as_str(), care)?),
            };
            let weight = AtomicU32::new(weight);
            colours.push(Placed { colour: made, weight, written: colour.weight, most: config.most });
        }
        Ok(Self {
            name: config.name.clone(),
            ids: config.holds().to_owned(),
            weight: config.weight,
            priority: config.priority.unwrap_or(u32::try_from(place).unwrap_or(u32::MAX)),
            price: config.price.clone(),
            identity: config.identity.as_ref().map(|identity| identity::open(identity, environment)).transpose()?,
            colours,
            credits: Credits::default(),
        })
    }

    /// Its colours at this level: those with a weight, or their twins where there are none.
    fn candidates(&self, cloud: usize, level: Level, wish: &Wish, tried: &[Turn], full: &mut bool) -> Vec<Candidate> {
        let mut all = Vec::with_capacity(self.colours.len());
        for (place, placed) in self.colours.iter().enumerate() {
            let was_tried = tried.iter().any(|turn| (turn.cloud, turn.colour) == (cloud, place));
            let unwanted = wish.colour.is_some_and(|wanted| wanted != place);
            if was_tried || unwanted || placed.colour.health.level() != level {
                continue;
            }
            let under_way = placed.colour.under_way.load(Ordering::Relaxed);
            if under_way >= placed.most {
                *full = true;
                continue;
            }
            let weight = f64::from(placed.weight.load(Ordering::Relaxed)) * placed.colour.health.share();
            all.push(Candidate { place, weight, under_way });
        }
        let weighted: Vec<Candidate> = all.iter().copied().filter(|one| one.weight > 0.0).collect();
        if weighted.is_empty() { all.into_iter().map(even).collect() } else { weighted }
    }
}

impl Colour {
    fn new(cloud: &str, name: &str, url: &str, care: Care) -> Result<Self> {
        let wrong = || Error::new(Kind::InvalidRequest, format!("cloud {cloud}, colour {name}: the url is not valid"));
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        Ok(Self {
            cloud: cloud.to_owned(),
            name: name.to_owned(),
            url: url.to_owned(),
            scheme: uri.scheme().cloned().ok_or_else(wrong)?,
            authority: uri.authority().cloned().ok_or_else(wrong)?,
            path: uri.path().trim_end_matches('/').to_owned(),
            health: Health::new(care.patience, care.thresholds, care.warm_up),
            tally: Tally::default(),
            under_way: AtomicUsize::new(0),
            care,
        })
    }
}
