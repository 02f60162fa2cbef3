//! Texts that golden examples are made of, and that agreement is measured on where a resource names no data: everyday
//! sentences of several languages and scripts, short and long.

use crate::input::Input;
use crate::pipeline::reads_pairs;
use loquat_spec::Task;

const TEXTS: [&str; 32] = [
    "The parcel arrived two days late and the box was torn open.",
    "Could you tell me how to change the address of my order?",
    "Das neue Album ist großartig, ich höre es seit Tagen.",
    "Anna Berger moved from Vienna to Lisbon in March and works for a small bank there.",
    "I want my money back, this is the third time that the charger broke.",
    "Le train pour Lyon partira avec une heure de retard.",
    "The committee will meet on Tuesday to vote on the new water law.",
    "¿Dónde puedo cambiar mi contraseña?",
    "Nobody answered the phone, so I wrote a letter.",
    "Wie lange dauert die Lieferung nach Zürich?",
    "The striker scored twice before half time, and the crowd in Porto sang until midnight.",
    "Il gatto dorme sul tetto della vecchia scuola.",
    "Prices for olive oil rose again after the dry summer in the south.",
    "What a boring film; I left before the end.",
    "Meine Rechnung vom Mai stimmt nicht, bitte prüfen Sie den Betrag.",
    "Scientists in Kyoto found a beetle that glows in the dark.",
    "Please cancel my subscription at the end of the month.",
    "La reunión con el señor Ortega se aplaza hasta el viernes.",
    "The app crashes whenever I open a picture.",
    "Купил билет в театр, но спектакль отменили.",
    "My grandmother grows tomatoes, beans and a single stubborn pumpkin behind the house.",
    "昨日の会議はとても長かったです。",
    "He said that he would come, and then he did not.",
    "Thank you so much, everything works again!",
    "The bridge over the river stays closed until the engineers have looked at every bolt of it, which may take until autumn.",
    "O restaurante da esquina serve o melhor peixe da cidade.",
    "هل المتجر مفتوح يوم الجمعة؟",
    "Rain in the morning, sun in the afternoon, ten degrees.",
    "Der Hund von Familie Krause bellt jede Nacht.",
    "She plays the cello in a small orchestra and repairs bicycles at weekends.",
    "ok",
    "It was neither good nor bad, just long.",
];

/// Number of golden examples.
const GOLDEN: usize = 8;

/// What agreement is measured on: the texts given, else those of Loquat. Models that read pairs get each text with the next.
pub(super) fn measured(task: Task, given: &[String]) -> Vec<Input> {
    let own: Vec<String> = TEXTS.iter().map(|text| (*text).to_owned()).collect();
    inputs(task, if given.is_empty() { &own } else { given })
}

/// The inputs of the golden examples.
pub(super) fn golden(task: Task) -> Vec<Input> {
    let own: Vec<String> = TEXTS.iter().take(GOLDEN).map(|text| (*text).to_owned()).collect();
    inputs(task, &own)
}

fn inputs(task: Task, texts: &[String]) -> Vec<Input> {
    let next = texts.iter().cycle().skip(1);
    let pair = |(text, second): (&String, &String)| Input::pair(text, second);
    if reads_pairs(task) {
        return texts.iter().zip(next).map(pair).collect();
    }
    texts.iter().map(Input::new).collect()
}
