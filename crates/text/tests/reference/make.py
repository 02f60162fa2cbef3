"""Writes the tiny tokenizers of this folder and what `transformers` and `tokenizers` make of a few texts with them.

Each folder holds the files of one tokenizer and `encodings.json`. Vocabularies are trained on the texts below.

    python3 -m venv VENV && VENV/bin/pip install -r ../../../models/tests/reference/requirements.txt
    VENV/bin/python make.py
"""

import json
import os
import pathlib
import shutil
import types

import sentencepiece
import tokenizers as tk
import transformers as t
from transformers.convert_slow_tokenizer import DebertaV2Converter

HERE = pathlib.Path(__file__).parent
CORPUS = [
    "The parcel arrived on Tuesday, two days later than the shop had promised.",
    "Please refund the second order; the first one was paid for by my neighbour.",
    "Das Paket liegt seit gestern bei der Post, und niemand weiß, warum.",
    "Où est passée la facture de décembre ? Elle n'était pas dans l'enveloppe.",
    "¿Cuándo llega el técnico? Llevamos tres días sin conexión en la oficina.",
    "Куда пропала посылка? Курьер не звонил и ничего не оставил у двери.",
    "配達はいつですか。昨日から待っています。",
    "包裹还没有到，请帮我查一下。",
    "Η παραγγελία μου δεν έχει φτάσει ακόμα.",
    "Prices rose by 3.5 % in 2024, from $1,200.00 to €1.242,00 (incl. VAT).",
    "unbelievable, unbelievably, believing, believer; waiting, waited, waits",
]
TEXTS = CORPUS[:8] + [
    "",
    "   ",
    "a",
    "Tabs\tand\nnewlines\r\n  and   many spaces ",
    "naïve café, ÀÉÎÕÜ, fiancée, Ångström, cafe\u0301 decomposed",
    "ALL CAPITALS AND mixedCase and İstanbul ŞEHİR ß ẞ ΣΊΣΥΦΟΣ",
    "emoji 😀👩‍👩‍👧 and flags 🇩🇪, hearts ❤️",
    "zero\u200bwidth, soft\u00adhyphen, \u202eoverride\u202c, nul\u0000, replacement\ufffd",
    "한국어 배송 문의입니다",
    "हिन्दी में एक वाक्य, ไทยไม่มีช่องว่าง, עברית, العربية",
    "x" * 120 + " and after",
    "[CLS] literal [SEP] tokens [MASK] <s> </s> <mask> [UNK]",
    "don't, it's, we'll; e-mail: a.b@example.org / https://example.org/a?b=c#d",
    "１２３ ｆｕｌｌｗｉｄｔｈ ﬁ ligature ² ½ ™ …",
    "nb\u00a0space\u2003em\u3000ideographic",
    "𠀀𠀁 beyond the basic plane 𝒜𝓑",
]
PAIRS = [(CORPUS[0], CORPUS[1]), ("short", CORPUS[9]), (CORPUS[5], "короткий"), ("", "second only")]
BERT = dict(unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", mask_token="[MASK]")
BERT_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def clean(name):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def write(folder, tokenizer):
    """What the tokenizer says of every text and pair, alone and cut to twelve tokens."""
    cases = []
    for first, second in [(text, None) for text in TEXTS] + PAIRS:
        for length in (None, 12):
            made = tokenizer(
                first, second, truncation=length is not None, max_length=length,
                return_offsets_mapping=True, return_token_type_ids=True,
            )
            cases.append({
                "first": first, "second": second, "maxLength": length,
                "ids": made["input_ids"], "typeIds": made["token_type_ids"], "offsets": made["offset_mapping"],
            })
    (folder / "encodings.json").write_text(json.dumps(cases, ensure_ascii=False) + "\n")


def wordpiece(name, fast, **settings):
    folder = clean(name)
    lowercase = settings.get("do_lower_case", True)
    trained = tk.BertWordPieceTokenizer(lowercase=lowercase, strip_accents=settings.get("strip_accents"))
    trained.train_from_iterator(CORPUS, vocab_size=400, min_frequency=1, limit_alphabet=300)
    vocabulary = sorted(trained.get_vocab(), key=trained.get_vocab().get)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    tokenizer = t.BertTokenizer(vocab=str(folder / "vocab.txt"), **BERT, **settings)
    if fast:
        tokenizer.save_pretrained(folder)
        (folder / "vocab.txt").unlink()
    else:
        (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 512, **settings}) + "\n")
    write(folder, tokenizer)


def byte_pairs(name, fast, kind):
    folder = clean(name)
    trained = tk.ByteLevelBPETokenizer()
    trained.train_from_iterator(CORPUS, vocab_size=500, min_frequency=2, special_tokens=ROBERTA_TOKENS)
    trained.save_model(str(folder))
    tokenizer = kind(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"))
    if fast:
        tokenizer.save_pretrained(folder)
        for old in ("vocab.json", "merges.txt"):
            (folder / old).unlink(missing_ok=True)
    write(folder, tokenizer)


def pieces(name, fast, kind, file, **training):
    folder = clean(name)
    (HERE / "corpus.txt").write_text("\n".join(CORPUS) + "\n")
    sentencepiece.SentencePieceTrainer.train(
        input="corpus.txt", model_prefix="trained", vocab_size=300,
        hard_vocab_limit=False, character_coverage=1.0, minloglevel=2, **training,
    )
    (HERE / "corpus.txt").unlink()
    (HERE / "trained.vocab").unlink()
    (HERE / "trained.model").rename(folder / file)
    (folder / "config.json").write_text(json.dumps({"model_type": name.removesuffix("-fast")}))
    tokenizer = kind.from_pretrained(folder)
    (folder / "config.json").unlink()
    if fast:
        tokenizer.save_pretrained(folder)
        (folder / file).unlink(missing_ok=True)
    write(folder, tokenizer)


def deberta(name, **settings):
    """DeBERTa's pieces by the converter of transformers, which keeps the normalisation of the file. Its class for folders
    of today puts another in its place, with which no released model was trained."""
    folder = clean(name)
    (HERE / "corpus.txt").write_text("\n".join(CORPUS) + "\n")
    sentencepiece.SentencePieceTrainer.train(
        input="corpus.txt", model_prefix="trained", vocab_size=300, hard_vocab_limit=False, character_coverage=1.0,
        pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]",
        unk_piece="[UNK]", user_defined_symbols=["order"], minloglevel=2,
    )
    (HERE / "corpus.txt").unlink()
    (HERE / "trained.vocab").unlink()
    (HERE / "trained.model").rename(folder / "spm.model")
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings) + "\n")
    library = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model"))
    slow = types.SimpleNamespace(
        vocab_file=str(folder / "spm.model"), do_lower_case=settings.get("do_lower_case", False),
        split_by_punct=settings.get("split_by_punct", False), convert_tokens_to_ids=library.piece_to_id,
    )
    tokenizer = t.PreTrainedTokenizerFast(tokenizer_object=DebertaV2Converter(slow).converted(), **BERT)
    write(folder, tokenizer)


if __name__ == "__main__":
    # sentencepiece writes the paths it is given into the model.
    os.chdir(HERE)
    wordpiece("bert", fast=False)
    wordpiece("bert-cased", fast=False, do_lower_case=False)
    wordpiece("bert-accents", fast=True, do_lower_case=True, strip_accents=False)
    byte_pairs("roberta", fast=False, kind=t.RobertaTokenizer)
    byte_pairs("bart-fast", fast=True, kind=t.BartTokenizer)
    pieces("xlm-roberta", fast=False, kind=t.XLMRobertaTokenizer, file="sentencepiece.bpe.model")
    deberta("deberta")
    deberta("deberta-lower", do_lower_case=True, split_by_punct=True)
