//! What the checks of the whole know of the rows: a few numbers of each, in bounded memory.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use loquat_spec::Task;

use crate::DataError;
use crate::extract::Draft;
use crate::findings::Place;
use crate::glance::Glance;
use crate::hits::Hits;
use crate::log::{Fixed, Log};
use crate::numbers::{Numbers, Places, Words};
use crate::sketch::{BANDS, Sketch};
use crate::split::{Part, group_key};
use crate::table::Location;

/// Most beginnings and ends, and most surfaces, that are counted at a time. Beyond, all counts go down by one and those
/// at none are dropped (Misra and Gries 1982), which loses rare ones only.
const COUNTED: usize = 1 << 18;

/// How often a cue must be seen before its text is kept.
const QUOTED: u32 = 16;

/// Rows kept of each cue and entity.
const EXAMPLES: usize = 100;

/// What is kept of each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Brief {
    /// Its number in the data set as read.
    pub(crate) number: u32,
    pub(crate) line: u32,
    pub(crate) file: u16,
    pub(crate) part: Part,
    /// Its language's number and 1, or 0; [`Survey::language`] gives the index.
    language: u16,
    /// Number of its set of labels.
    pub(crate) labels: u32,
    /// Characters.
    pub(crate) length: u32,
    /// Key of its text.
    pub(crate) key: u64,
    /// Key of its group; 0 for none.
    pub(crate) group: u64,
    /// Hash of tags or spans.
    pub(crate) says: u64,
}

impl Fixed for Brief {
    const SIZE: usize = 45;

    fn write(self, bytes: &mut Vec<u8>) {
        for value in [self.number, self.line, self.labels, self.length] {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        for value in [self.key, self.group, self.says] {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        bytes.extend_from_slice(&self.file.to_le_bytes());
        bytes.extend_from_slice(&self.language.to_le_bytes());
        bytes.push(self.part as u8);
    }

    fn read(bytes: &[u8]) -> Self {
        let small = |at: usize| u32::read(&bytes[at..at + 4]);
        let large = |at: usize| u64::read(&bytes[at..at + 8]);
        Self {
            number: small(0),
            line: small(4),
            labels: small(8),
            length: small(12),
            key: large(16),
            group: large(24),
            says: large(32),
            file: u32::read(&bytes[40..42]) as u16,
            language: u32::read(&bytes[42..44]) as u16,
            part: Part::ALL.into_iter().find(|part| *part as u8 == bytes[44]).unwrap_or(Part::Train),
        }
    }
}

/// How often a beginning or an end of a text goes with a set of labels.
#[derive(Debug)]
pub(crate) struct Cue {
    pub(crate) count: u32,
    /// Key of the last text counted: repetitions of one text are no boilerplate.
    last: u64,
    /// Its words, once it is frequent.
    pub(crate) text: String,
    pub(crate) hits: Hits,
}

/// Rows that show something by themselves.
#[derive(Debug)]
pub(crate) struct Quirks {
    pub(crate) mojibake: Hits,
    pub(crate) lost: Hits,
    pub(crate) mail: Hits,
    pub(crate) phone: Hits,
    pub(crate) card: Hits,
    pub(crate) same_pair: Hits,
    pub(crate) loose_tags: Hits,
    pub(crate) cut_spans: Hits,
    pub(crate) label_ties: Hits,
}

/// What is kept to find rows that resemble each other.
#[derive(Debug)]
pub(crate) struct Sketches {
    /// One hash a row and band.
    pub(crate) bands: Vec<Log<u32>>,
    /// The rows that have a sketch.
    pub(crate) rows: Log<u32>,
    /// Number of words of each such row, less one.
    lengths: Vec<u8>,
    /// Where the words of every row whose number is a multiple of [`BLOCK`] begin.
    blocks: Vec<u64>,
    words: Log<u32>,
}

/// Rows whose words are found by adding lengths up.
const BLOCK: usize = 64;

impl Sketches {
    fn new(scratch: Option<&Path>) -> Self {
        Self {
            bands: (0..BANDS).map(|_| Log::new(scratch)).collect(),
            rows: Log::new(scratch),
            lengths: Vec::new(),
            blocks: Vec::new(),
            words: Log::new(scratch),
        }
    }

    fn push(&mut self, index: u32, sketch: &Sketch) -> Result<(), DataError> {
        if self.lengths.len().is_multiple_of(BLOCK) {
            self.blocks.push(self.words.len() as u64);
        }
        // A sketch has at least one word and at most 256.
        self.lengths.push(sketch.words.len().saturating_sub(1) as u8);
        self.rows.push(index)?;
        for (log, band) in self.bands.iter_mut().zip(sketch.bands) {
            log.push(band)?;
        }
        sketch.words.iter().try_for_each(|word| self.words.push(*word))
    }

    /// Number of words of a sketch.
    pub(crate) fn length(&self, number: u32) -> usize {
        usize::from(self.lengths[number as usize]) + 1
    }

    /// Reads the words of a sketch.
    pub(crate) fn read(&self, number: u32, words: &mut Vec<u32>) -> Result<(), DataError> {
        let block = number as usize / BLOCK;
        let before = (block * BLOCK) as u32..number;
        let start = self.blocks[block] as usize + before.map(|earlier| self.length(earlier)).sum::<usize>();
        self.words.read(start, self.length(number), words)
    }
}

/// Everything that the checks of the whole are told.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) task: Task,
    pub(crate) files: Vec<String>,
    /// Labels, languages and domains, sorted once the survey is complete.
    pub(crate) labels: Vec<String>,
    pub(crate) languages: Vec<String>,
    pub(crate) domains: Vec<String>,
    /// Labels of each set, as indices of `labels` once the survey is complete.
    pub(crate) label_sets: Vec<Vec<u32>>,
    pub(crate) briefs: Log<Brief>,
    /// Of each part, the rows of each set of labels.
    pub(crate) set_counts: [Vec<usize>; 3],
    pub(crate) sketches: Sketches,
    /// Keys of premises, for pairs.
    pub(crate) premises: Log<u64>,
    /// Columns that may show which rows belong together, and hashes of their values row by row, 0 for none.
    pub(crate) candidates: Vec<String>,
    pub(crate) values: Log<u64>,
    pub(crate) quirks: Quirks,
    /// By said language (or none) and detected one, the rows where the detector is sure.
    pub(crate) detected: BTreeMap<(Option<u32>, &'static str), Hits>,
    pub(crate) cues: HashMap<(u64, u32), Cue>,
    /// Of each surface, how often it has each type (a number of a label).
    pub(crate) entities: HashMap<String, BTreeMap<u32, (u32, Hits)>>,
    pub(crate) has_groups: bool,
    /// Rows read, usable or not, and those dropped for lack of a label.
    pub(crate) rows_read: usize,
    pub(crate) unlabelled: usize,
    /// Rows with the weight 0.
    pub(crate) left_out: usize,
    /// Most rows that a check keeps.
    pub(crate) limit: usize,
    label_words: Words,
    language_words: Words,
    domain_words: Words,
    set_numbers: HashMap<Vec<u32>, u32>,
    /// Sorted place of each number of a language.
    language_places: Vec<u32>,
}

impl Survey {
    /// A survey of no rows. Checks will keep `limit` rows each; what outgrows memory goes to `scratch`.
    pub(crate) fn new(task: Task, files: Vec<String>, limit: usize, scratch: Option<&Path>) -> Self {
        let none = || Hits::new(limit);
        Self {
            task,
            files,
            labels: Vec::new(),
            languages: Vec::new(),
            domains: Vec::new(),
            label_sets: Vec::new(),
            briefs: Log::new(scratch),
            set_counts: [Vec::new(), Vec::new(), Vec::new()],
            sketches: Sketches::new(scratch),
            premises: Log::new(scratch),
            candidates: Vec::new(),
            values: Log::new(scratch),
            quirks: Quirks {
                mojibake: none(),
                lost: none(),
                mail: none(),
                phone: none(),
                card: none(),
                same_pair: none(),
                loose_tags: none(),
                cut_spans: none(),
                label_ties: none(),
            },
            detected: BTreeMap::new(),
            cues: HashMap::new(),
            entities: HashMap::new(),
            has_groups: false,
            rows_read: 0,
            unlabelled: 0,
            left_out: 0,
            limit,
            label_words: Words::default(),
            language_words: Words::default(),
            domain_words: Words::default(),
            set_numbers: HashMap::new(),
            language_places: Vec::new(),
        }
    }

    /// Adds a row with what a look at it showed, and gives back its numbers, which hold until [`Survey::complete`].
    pub(crate) fn take(
        &mut self,
        draft: &Draft,
        glance: &Glance,
        (location, part, (language, domain)): (Location, Part, (Option<&str>, Option<&str>)),
    ) -> Result<Numbers, DataError> {
        let index = self.briefs.len() as u32;
        let mut labels: Vec<u32> = draft.labels.iter().map(|label| self.label_words.number(label)).collect();
        labels.sort_unstable();
        let set = self.set_number(&labels);
        let share = |(label, share): &(String, f32)| (self.label_words.number(label), *share);
        let shares = draft.shares.iter().map(share).collect();
        let language = language.map(|language| self.language_words.number(language));
        let domain = domain.map(|domain| self.domain_words.number(domain));
        let counts = &mut self.set_counts[part as usize];
        counts.resize(counts.len().max(set as usize + 1), 0);
        counts[set as usize] += 1;
        self.has_groups |= draft.group.is_some();
        self.briefs.push(Brief {
            number: self.rows_read as u32,
            line: u32::try_from(location.line).unwrap_or(u32::MAX),
            file: location.file as u16,
            part,
            language: language.map_or(0, |language| (language + 1).min(u32::from(u16::MAX)) as u16),
            labels: set,
            length: glance.length,
            key: draft.key,
            group: draft.group.as_deref().map_or(0, group_key),
            says: glance.says,
        })?;
        for value in &draft.candidates {
            self.values.push(*value)?;
        }
        if glance.premise != 0 {
            self.premises.push(glance.premise)?;
        }
        if let Some(sketch) = &glance.sketch {
            self.sketches.push(index, sketch)?;
        }
        self.take_quirks(index, glance, language);
        if draft.tied {
            self.quirks.label_ties.add(index);
        }
        self.take_cues(index, set, draft, glance);
        self.take_entities(index, glance);
        Ok(Numbers { labels, shares, language, domain })
    }

    fn set_number(&mut self, labels: &[u32]) -> u32 {
        if let Some(number) = self.set_numbers.get(labels) {
            return *number;
        }
        let next = self.label_sets.len() as u32;
        self.set_numbers.insert(labels.to_vec(), next);
        self.label_sets.push(labels.to_vec());
        next
    }

    fn take_quirks(&mut self, index: u32, glance: &Glance, language: Option<u32>) {
        let (seen, quirks) = (glance.seen, &mut self.quirks);
        for (shows, hits) in [
            (seen.mojibake, &mut quirks.mojibake),
            (seen.lost && !seen.mojibake, &mut quirks.lost),
            (seen.mail, &mut quirks.mail),
            (seen.phone, &mut quirks.phone),
            (seen.card, &mut quirks.card),
            (glance.same_pair, &mut quirks.same_pair),
            (glance.loose_tags, &mut quirks.loose_tags),
            (glance.cut_spans, &mut quirks.cut_spans),
        ] {
            if shows {
                hits.add(index);
            }
        }
        if let Some(found) = glance.language.filter(|found| found.reliable) {
            let limit = self.limit;
            self.detected.entry((language, found.language)).or_insert_with(|| Hits::new(limit)).add(index);
        }
    }

    fn take_cues(&mut self, index: u32, set: u32, draft: &Draft, glance: &Glance) {
        for (hash, range) in &glance.cues {
            let cue = self.cues.entry((*hash, set)).or_insert_with(|| Cue {
                count: 0,
                last: 0,
                text: String::new(),
                hits: Hits::new(EXAMPLES),
            });
            if cue.last == draft.key {
                continue;
            }
            cue.last = draft.key;
            cue.count += 1;
            cue.hits.add(index);
            if cue.count == QUOTED {
                cue.text = draft.input.last_text().get(range.clone()).unwrap_or_default().to_owned();
            }
        }
        if self.cues.len() > COUNTED {
            self.cues.retain(|_, cue| {
                cue.count -= 1;
                cue.count > 0
            });
        }
    }

    fn take_entities(&mut self, index: u32, glance: &Glance) {
        for (surface, kind) in &glance.entities {
            let kind = self.label_words.number(kind);
            let kinds = self.entities.entry(surface.clone()).or_default();
            let (count, hits) = kinds.entry(kind).or_insert_with(|| (0, Hits::new(EXAMPLES)));
            *count += 1;
            hits.add(index);
        }
        if self.entities.len() > COUNTED {
            self.entities.retain(|_, kinds| kinds.values().map(|(count, _)| count).sum::<u32>() > 1);
        }
    }

    /// Sorts labels, languages and domains. Gives the sorted places of the numbers that [`Survey::take`] gave.
    pub(crate) fn complete(&mut self) -> Places {
        let (labels, label_places) = std::mem::take(&mut self.label_words).sorted();
        let (languages, language_places) = std::mem::take(&mut self.language_words).sorted();
        let (domains, domain_places) = std::mem::take(&mut self.domain_words).sorted();
        (self.labels, self.languages, self.domains) = (labels, languages, domains);
        for label in self.label_sets.iter_mut().flatten() {
            *label = label_places[*label as usize];
        }
        self.label_sets.iter_mut().for_each(|set| set.sort_unstable());
        let detected = std::mem::take(&mut self.detected);
        let place = |language: Option<u32>| language.map(|number| language_places[number as usize]);
        self.detected =
            detected.into_iter().map(|((said, found), hits)| ((place(said), found), hits)).collect();
        for kinds in self.entities.values_mut() {
            *kinds = std::mem::take(kinds)
                .into_iter()
                .map(|(kind, seen)| (label_places[kind as usize], seen))
                .collect();
        }
        self.language_places = language_places.clone();
        Places { labels: label_places, languages: language_places, domains: domain_places }
    }

    /// Index of a row's language.
    pub(crate) fn language(&self, brief: &Brief) -> Option<u32> {
        self.language_places.get(usize::from(brief.language.checked_sub(1)?)).copied()
    }

    /// Number of usable rows.
    pub(crate) fn len(&self) -> usize {
        self.briefs.len()
    }

    /// How many rows of `part` there are.
    pub(crate) fn part_len(&self, part: Part) -> usize {
        self.set_counts[part as usize].iter().sum()
    }

    /// How many rows of `part` have each label.
    pub(crate) fn label_counts(&self, part: Part) -> Vec<usize> {
        let mut counts = vec![0; self.labels.len()];
        for (set, count) in self.label_sets.iter().zip(&self.set_counts[part as usize]) {
            for label in set {
                counts[*label as usize] += count;
            }
        }
        counts
    }

    /// Whether any label of the row is one for which `wanted` holds.
    pub(crate) fn has_label(&self, brief: &Brief, wanted: impl Fn(u32) -> bool) -> bool {
        self.label_sets.get(brief.labels as usize).is_some_and(|set| set.iter().any(|label| wanted(*label)))
    }

    /// The rows for which `wanted` holds.
    pub(crate) fn rows_where(&self, wanted: impl Fn(&Brief) -> bool) -> Result<Hits, DataError> {
        let mut hits = Hits::new(self.limit);
        self.briefs.for_each(|index, brief| {
            if wanted(&brief) {
                hits.add(index as u32);
            }
        })?;
        Ok(hits)
    }

    /// Place of the row with this index.
    pub(crate) fn place(&self, index: u32) -> Result<Option<Place>, DataError> {
        let Some(brief) = self.briefs.get(index as usize)? else { return Ok(None) };
        let Some(file) = self.files.get(usize::from(brief.file)).cloned() else { return Ok(None) };
        Ok(Some(Place { file, line: Some(u64::from(brief.line)), row: None }))
    }

    /// Numbers of rows as read, of their indices.
    pub(crate) fn numbers(&self, indices: &[u32]) -> Result<Vec<usize>, DataError> {
        let mut numbers = Vec::with_capacity(indices.len());
        for index in indices {
            numbers.extend(self.briefs.get(*index as usize)?.map(|brief| brief.number as usize));
        }
        Ok(numbers)
    }
}
