"""What the stand-in for a language model says: always the same, in the language of the page."""

import re

#: A question with this word is answered halfway.
FAILS = "fail"

ANSWERS = {
    "en": (
        "You ask: “{text}”\n\n"
        "I am a stand-in for a language model, and I know only one answer. I say twenty "
        "words per second. So the last word comes after some seconds, and the first one at "
        "once.\n\n"
        "While I talk, this Plone keeps no thread, no slot and no connection to its "
        "database for you. Press the button, or leave the page: the connection is closed, "
        "and I fall silent. Stay to the end, and a job writes down once what I have said."
    ),
    "de": (
        "Sie fragen: „{text}“\n\n"
        "Ich vertrete ein Sprachmodell und kenne nur eine Antwort. Ich sage zwanzig Wörter "
        "in der Sekunde. Das letzte Wort kommt also nach einigen Sekunden, das erste "
        "sofort.\n\n"
        "Während ich rede, hält dieses Plone für Sie keinen Thread, keinen Slot und keine "
        "Verbindung zur Datenbank. Drücken Sie den Knopf, oder verlassen Sie die Seite: Die "
        "Verbindung wird geschlossen, und ich verstumme. Bleiben Sie bis zum Ende, dann "
        "schreibt ein Auftrag einmal auf, was ich gesagt habe."
    ),
    "fi": (
        "Kysyt: ”{text}”\n\n"
        "Olen kielimallin sijainen ja osaan vain yhden vastauksen. Sanon kaksikymmentä "
        "sanaa sekunnissa. Viimeinen sana tulee siis vasta sekuntien päästä, mutta "
        "ensimmäinen heti.\n\n"
        "Kun puhun, tämä Plone ei varaa sinulle säiettä, paikkaa eikä yhteyttä "
        "tietokantaan. Paina painiketta tai lähde sivulta: yhteys suljetaan, ja vaikenen. "
        "Jos odotat loppuun, työ kirjoittaa kerran muistiin, mitä sanoin."
    ),
}


def words_for(text, language):
    """Return the answer to *text* word by word, each with the space before it."""
    answer = ANSWERS.get(language, ANSWERS["en"]).format(text=text)
    return re.findall(r"\s*\S+", answer)
