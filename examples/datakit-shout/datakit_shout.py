"""A step in a package of its own: once it is installed, pipelines can name it."""

from datakit import Drop, Record, step


@step("filter.shout")
class Shout:
    """Drops records whose output is written in capitals.

    Args:
        most: Largest share of capitals among the letters of `output`.
    """

    most: float = 0.5

    def check(self, record: Record) -> Drop | None:
        """Drops a record that shouts, with the share of its capitals."""
        letters = [each for each in record.output if each.isalpha()]
        share = sum(map(str.isupper, letters)) / max(1, len(letters))
        return (
            Drop("shouting", share=round(share, 2), most=self.most) if share > self.most else None
        )
