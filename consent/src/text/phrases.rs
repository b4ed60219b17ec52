//! Phrases of the lists: word by word, the beginnings and ends of words, and runs of letters that stand
//! anywhere.

use std::collections::{BTreeMap, HashMap};

use openkey_capability::siwe::plain_letters;
use serde::{Deserialize, Deserializer};

use super::lexicon::{Speech, Token};

/// How many characters ASCII has.
const ASCII: usize = 128;

/// A word of a phrase.
enum Part {
    Whole(String),
    Start(String),
    End(String),
}

impl Part {
    fn of(written: &str) -> Self {
        match (written.strip_prefix('*'), written.strip_suffix('*')) {
            (Some(end), _) => Self::End(plain_letters(end)),
            (None, Some(start)) => Self::Start(plain_letters(start)),
            (None, None) => Self::Whole(plain_letters(written)),
        }
    }

    fn fits(&self, word: &str) -> bool {
        match self {
            Self::Whole(whole) => word == whole,
            Self::Start(start) => word.starts_with(start),
            Self::End(end) => word.ends_with(end),
        }
    }
}

/// Phrases of one sense. `word*` is the beginning of a word, `*word` the end of one, and `~word` stands
/// anywhere, for languages without spaces.
#[derive(Default)]
pub(super) struct Phrases {
    /// By the first letter, those of ASCII by its number: they are looked up for every word.
    by_ascii: Vec<Vec<Vec<Part>>>,
    by_letter: HashMap<char, Vec<Vec<Part>>>,
    /// Those that begin with the end of a word.
    endings: Vec<Vec<Part>>,
    anywhere: Vec<String>,
}

impl Phrases {
    pub(super) fn of(written: &[String]) -> Self {
        let mut phrases = Self::default();
        for phrase in written {
            if let Some(run) = phrase.strip_prefix('~') {
                phrases.anywhere.push(plain_letters(run));
                continue;
            }
            let parts: Vec<Part> = phrase.split(' ').map(Part::of).collect();
            match parts.first() {
                Some(Part::Whole(word) | Part::Start(word)) => {
                    let letter = word.chars().next().unwrap_or_default();
                    phrases.beginning(letter).push(parts);
                }
                Some(Part::End(_)) => phrases.endings.push(parts),
                None => {}
            }
        }
        phrases
    }

    /// The phrases that begin with a letter.
    fn beginning(&mut self, letter: char) -> &mut Vec<Vec<Part>> {
        if letter.is_ascii() {
            self.by_ascii.resize_with(ASCII, Vec::new);
        }
        let ascii = self.by_ascii.get_mut(letter as usize);
        ascii.unwrap_or_else(|| self.by_letter.entry(letter).or_default())
    }

    /// How many words a phrase has that begins at a word; 0 if none does.
    pub(super) fn at(&self, tokens: &[Token<'_>], at: usize) -> usize {
        let Some(first) = tokens.get(at) else {
            return 0;
        };
        let letter = first.word.chars().next();
        let begins = letter.and_then(|it| match it {
            '\0'..='\x7f' => self.by_ascii.get(it as usize),
            _ => self.by_letter.get(&it),
        });
        let fits = |phrase: &&Vec<Part>| {
            let mut parts = phrase.iter().zip(at..);
            parts.all(|(part, at)| tokens.get(at).is_some_and(|it| part.fits(&it.word)))
        };
        let candidates = begins.into_iter().flatten().chain(&self.endings);
        candidates.filter(fits).map(Vec::len).max().unwrap_or(0)
    }

    pub(super) fn is_at(&self, speech: &Speech<'_>, at: usize) -> bool {
        self.at(&speech.tokens, at) > 0
    }

    /// True if a phrase begins at one of these words.
    pub(super) fn is_in(&self, speech: &Speech<'_>, mut places: core::ops::Range<usize>) -> bool {
        places.end = places.end.min(speech.tokens.len());
        places.into_iter().any(|at| self.is_at(speech, at))
    }

    /// True for the phrases of languages without spaces.
    pub(super) fn is_anywhere(&self, speech: &Speech<'_>) -> bool {
        let plain = &speech.plain;
        !plain.is_empty() && self.anywhere.iter().any(|run| plain.contains(run))
    }

    /// True if any phrase stands in the text.
    pub(super) fn is_found(&self, speech: &Speech<'_>) -> bool {
        self.is_in(speech, 0..speech.tokens.len()) || self.is_anywhere(speech)
    }

    /// True if a word by itself, such as a part of a name of a program, is a phrase.
    pub(super) fn is_word(&self, word: &str) -> bool {
        let tokens = [Token {
            start: 0,
            text: word,
            word: plain_letters(word),
        }];
        self.at(&tokens, 0) > 0
    }
}

impl<'de> Deserialize<'de> for Phrases {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            List(Vec<String>),
            ByLanguage(BTreeMap<String, Vec<String>>),
        }
        let written: Vec<String> = match Written::deserialize(deserializer)? {
            Written::List(list) => list,
            Written::ByLanguage(lists) => lists.into_values().flatten().collect(),
        };
        Ok(Self::of(&written))
    }
}
