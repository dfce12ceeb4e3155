"""Chapter 0, the idea in ten minutes: count tokens, judge statements, order the steps of generation."""

from dataclasses import dataclass

from ditcourse.check import Exercise, Slip, values
from ditcourse.check.judges import Finding
from ditcourse.check.reading import is_blank

VERDICTS = ("right", "wrong", "unsupported", "depends")


@dataclass(frozen=True)
class Quiz:
    """Several small choices in one answer, a dictionary {"a": "right", ...}.

    key      the right verdict for each letter
    nudges   what to say where a letter's verdict is not the right one, without giving it away
    slips    for each letter the tempting wrong verdict, so that a test can try it
    """

    key: dict
    nudges: dict
    slips: dict

    def judge(self, answer):
        if is_blank(answer):
            return Finding("not done")
        if not isinstance(answer, dict):
            return Finding(
                "wrong",
                f"A dictionary with the letters {', '.join(self.key)} is wanted.",
            )
        left = [letter for letter in self.key if is_blank(answer.get(letter))]
        if left:
            text = f"Still to judge: {', '.join(left)}."
            off = [x for x in self.key if x not in left and _word(answer[x]) != self.key[x]]
            if off:
                return Finding("not done", f"{text} Of those judged, look again at {off[0]}: {self.nudges[off[0]]}")
            return Finding("not done", text + " Those judged agree so far." * (len(left) < len(self.key)))
        given = {letter: _word(answer[letter]) for letter in self.key}
        if unknown := [letter for letter, verdict in given.items() if verdict not in VERDICTS]:
            return Finding(
                "wrong",
                f"{unknown[0]}: choose one of {', '.join(VERDICTS)} (in quotes).",
            )
        missed = [letter for letter in self.key if given[letter] != self.key[letter]]
        if not missed:
            return Finding("right")
        text = f"{len(self.key) - len(missed)} of {len(self.key)} agree. Look again:"
        text += "".join(f"\n  {letter}: {self.nudges[letter]}" for letter in missed)
        slip = f"{missed[0]}: {given[missed[0]]}"
        known = len(missed) == 1 and self.slips[missed[0]] == given[missed[0]]
        return Finding("wrong", text, slip=slip if known else None)

    def right_answer(self):
        return dict(self.key)

    def wrong_answers(self):
        return {
            f"{letter}: {verdict}": {**self.key, letter: verdict} for letter, verdict in self.slips.items()
        }


STATEMENTS = Quiz(
    key={"a": "wrong", "b": "right", "c": "depends", "d": "right",
         "e": "wrong", "f": "unsupported", "g": "wrong", "h": "wrong"},
    nudges={
        "a": "what is in the grid before the first step?",
        "b": "when does learning happen, and is that over by now?",
        "c": "is there one rule that everybody follows?",
        "d": "which patches does the transformer see at once?",
        "e": "what would be left to learn without the noise?",
        "f": "to which model does this number belong? look for Sora's in the table of what is known.",
        "g": "patches play the part of words, but what comes out at the end?",
        "h": "look at the table of what is known.",
    },
    slips={"a": "right", "b": "wrong", "c": "right", "d": "wrong",
           "e": "right", "f": "right", "g": "right", "h": "right"},
)  # fmt: skip

EXERCISES = (
    Exercise(
        id="0.1",
        title="Count the tokens",
        goal="count the patches of a clip, and what smaller patches cost",
        difficulty=1,
        minutes=4,
        judge=values(
            lambda: (_tokens(2, 4, 4), _tokens(1, 2, 2), (_tokens(1, 2, 2) // _tokens(2, 4, 4)) ** 2),
            names=("coarse", "fine", "pairs"),
            slips=(
                Slip("pixels in a patch", lambda: (2 * 4 * 4, 1 * 2 * 2, 64),
                     "these are the pixels in one patch; count how many patches fit into the clip"),
                Slip("frames forgotten", lambda: (4 * 4, 8 * 8, 16),
                     "these are the patches of one frame; the clip goes on in time"),
                Slip("frames counted singly", lambda: (8 * 4 * 4, 512, 16),
                     "a coarse patch is two frames deep, so eight frames make four layers of patches"),
                Slip("colours counted", lambda: (3 * 64, 3 * 512, 64),
                     "the three colour channels stay together inside a patch"),
                Slip("coarse frames counted singly", lambda: (8 * 4 * 4, 512, 64),
                     "a coarse patch is two frames deep, so eight frames make four layers of patches"),
                Slip("pairs not squared", lambda: (64, 512, 8),
                     "with 8 times the tokens each one of them also has 8 times the partners"),
                Slip("pairs not compared", lambda: (64, 512, 512**2),
                     "these are all the pairs of the fine patches; how many times as many are there as with the "
                     "coarse ones?"),
                Slip("frames counted singly, pairs not compared", lambda: (8 * 4 * 4, 512, 512**2),
                     "a coarse patch is two frames deep, so there are fewer of them; and for the pairs divide "
                     "those of the fine patches by those of the coarse ones"),
            ),
        ),
        hints=(
            "Along each side: how many patches fit? Then multiply the three numbers.",
            "Coarse: 8 / 2 layers in time, 16 / 4 rows, 16 / 4 columns.",
            "Every token looks at every token, so n tokens make n x n pairs.",
        ),
    ),
    Exercise(
        id="0.2",
        title="Judge eight statements",
        goal="tell what holds from what is only often said",
        difficulty=2,
        minutes=6,
        judge=STATEMENTS,
        hints=(
            "Two are right, four are wrong, one depends on a convention, one is unsupported.",
            "The page Claims, checked has a row for each of them.",
        ),
    ),
    Exercise(
        id="0.3",
        title="Put generation in order",
        goal="order the steps from noise to clip, and spot what is not a step",
        difficulty=1,
        minutes=3,
        judge=values(
            lambda: [3, 1, 6, 4],
            axes=("position",),
            slips=(
                Slip("starts from a video", lambda: [2, 1, 6, 4],
                     "no video is fetched: what is in the grid before the first step was drawn at random"),
                Slip("learns while generating", lambda: [3, 1, 5, 4],
                     "the weights are corrected in training; a finished model leaves them as they are"),
                Slip("steps before looking", lambda: [3, 6, 1, 4],
                     "the model has to look before it knows in which direction to step"),
                Slip("looks before there is a grid", lambda: [1, 3, 6, 4],
                     "at the very beginning there are no patches yet to look at"),
                Slip("counted from 0", lambda: [2, 0, 5, 3],
                     "the steps were counted from 0; write the numbers that stand before them, 1 to 6"),
                Slip("places for numbers", lambda: [2, 1, 4, 3],
                     "that is the place of each step, in the order of the list; write instead the number of the "
                     "step that comes first, then of the second, and so on"),
            ),
        ),
        hints=(
            "Two of the six belong to training or to hearsay.",
            "Begin with what is there before the model has looked at anything.",
        ),
    ),
)  # fmt: skip


def _word(verdict):
    return verdict.strip().lower() if isinstance(verdict, str) else ""


def _tokens(p_t, p_h, p_w):
    """Patches of p_t frames x p_h x p_w pixels in a clip of 8 frames of 16 x 16."""
    return (8 // p_t) * (16 // p_h) * (16 // p_w)
