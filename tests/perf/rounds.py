"""Rounds in which several things are measured in turn, and the figure that counts of each: the median over the rounds.

A ratio is the median of the rounds' ratios, not the ratio of medians: what disturbs one round disturbs both of its sides.
"""
import statistics


def in_turn(count, *measurements):
    """A list of what each measurement gave, for each round, whose order is turned round by round. Measurements take the
    round's number.
    """
    rounds = []
    for number in range(count):
        turn = -1 if number % 2 else 1
        rounds.append([measure(number) for measure in measurements[::turn]][::turn])
    return rounds


def median(rounds, figure):
    """Of figure(*what a round's measurements gave), where that is not None; None if it never is."""
    figures = [value for value in (figure(*measured) for measured in rounds) if value is not None]
    return statistics.median(figures) if figures else None
