"""Owns which Polly voice speaks which languages on which engines, as in AWS's "Available voices"."""

from dataclasses import dataclass

ENGINES = {"s": "standard", "n": "neural", "l": "long-form", "g": "generative"}

# voice, languages (the first is its own), engines by first letter; only the differences matter to callers.
_TABLE = """
Zeina arb s; Hala ar-AE,arb n; Zayd ar-AE,arb n; Lisa nl-BE gn; Arlet ca-ES n; Jitka cs-CZ n;
Hiujin yue-CN n; Zhiyu cmn-CN ns; Naja da-DK s; Mads da-DK s; Sofie da-DK n; Laura nl-NL gn;
Lotte nl-NL s; Ruben nl-NL s; Nicole en-AU s; Olivia en-AU gn; Russell en-AU s; Amy en-GB gns;
Emma en-GB ns; Brian en-GB gns; Arthur en-GB n; Aditi en-IN,hi-IN s; Raveena en-IN s;
Kajal en-IN,hi-IN gn; Niamh en-IE gn; Aria en-NZ gn; Jasmine en-SG gn; Ayanda en-ZA gn;
Danielle en-US gln; Gregory en-US ln; Ivy en-US ns; Joanna en-US gns; Kendra en-US ns;
Kimberly en-US ns; Salli en-US gns; Joey en-US ns; Justin en-US ns; Kevin en-US ns;
Matthew en-US gns; Ruth en-US gln; Stephen en-US gn; Patrick en-US l; Tiffany en-US g;
Geraint en-GB-WLS s; Suvi fi-FI n; Celine fr-FR s; Lea fr-FR gns; Mathieu fr-FR s; Remi fr-FR gn;
Ambre fr-FR g; Florian fr-FR g; Isabelle fr-BE gn; Chantal fr-CA s; Gabrielle fr-CA gn;
Liam fr-CA gn; Marlene de-DE s; Vicki de-DE gns; Hans de-DE s; Daniel de-DE gn; Lennart de-DE g;
Hannah de-AT gn; Sabrina de-CH gn; Dora is-IS s; Karl is-IS s; Carla it-IT s; Bianca it-IT gns;
Giorgio it-IT s; Adriano it-IT n; Beatrice it-IT g; Lorenzo it-IT g; Mizuki ja-JP s;
Takumi ja-JP ns; Kazuha ja-JP n; Tomoko ja-JP n; Seoyeon ko-KR gns; Jihye ko-KR n; Liv nb-NO s;
Ida nb-NO n; Ewa pl-PL s; Maja pl-PL s; Jacek pl-PL s; Jan pl-PL s; Ola pl-PL gn; Camila pt-BR gns;
Vitoria pt-BR ns; Ricardo pt-BR s; Thiago pt-BR n; Ines pt-PT ns; Cristiano pt-PT s; Carmen ro-RO s;
Tatyana ru-RU s; Maxim ru-RU s; Conchita es-ES s; Lucia es-ES gns; Enrique es-ES s; Sergio es-ES gn;
Alba es-ES l; Raul es-ES l; Mia es-MX gns; Andres es-MX gn; Lupe es-US gns; Penelope es-US s;
Miguel es-US s; Pedro es-US gn; Astrid sv-SE s; Elin sv-SE n; Filiz tr-TR s; Burcu tr-TR n;
Gwyneth cy-GB s
"""


@dataclass(frozen=True)
class Voice:
    languages: tuple[str, ...]
    engines: frozenset[str]


def _parse(row: str) -> tuple[str, Voice]:
    name, languages, engines = row.split()
    return name, Voice(tuple(languages.split(",")), frozenset(ENGINES[letter] for letter in engines))


VOICES: dict[str, Voice] = dict(_parse(row) for row in _TABLE.split(";"))
LANGUAGES = frozenset(language for voice in VOICES.values() for language in voice.languages)
