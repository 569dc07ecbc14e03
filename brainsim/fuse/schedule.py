"""Which operations of a step become one kernel, and in what order kernels and operators run.

Pointwise operations over as many elements that wait for the same operators are one kernel; its level is the number of
operators (or kernels over other domains) that it waits for. Operations on single numbers cost nothing and are done
again in every kernel that needs them.
"""

from typing import Any, NamedTuple

from .graph import Atom, Literal, Node
from .kernel import Body, Output
from .program import Kind
from .refusal import repeats
from .rewrite import IN_PLACE, OPERATORS, Rewritten, Unfusable, reads_bits


class Piece(NamedTuple):
    """One kernel of a step.

    Attributes:
        level: When it runs.
        rows: Rows of its domain.
        n: Elements of a row.
        reads: Values it reads and how they go with the domain.
        writes: Values it writes, as arrays or as bits.
        body: Its operations.
    """

    level: int
    rows: int
    n: int
    reads: tuple[tuple[int, Kind], ...]
    writes: tuple[Output, ...]
    body: Body


class Schedule(NamedTuple):
    """Kernels, and operators with their levels."""

    pieces: tuple[Piece, ...]
    operators: tuple[tuple[int, Node], ...]


def schedule(step: Rewritten) -> Schedule:
    """Order the operations of a step."""
    return _Scheduler(step).schedule()


class _Scheduler:
    def __init__(self, step: Rewritten):
        self.step = step
        self.order = {value: at for at, node in enumerate(step.nodes) for value in node.outs}
        self.level: dict[int, int] = {}
        readers: dict[Atom, list[int]] = {}
        for at, node in enumerate(step.nodes):
            self.level[at] = max((self.waits(node, atom) for atom in node.ins), default=0)
            if node.op in IN_PLACE:  # who reads what it is going to change comes first
                first = [self.level[reader] + 1 for reader in readers.get(node.ins[IN_PLACE[node.op]], ())]
                self.level[at] = max([self.level[at], *first])
            for atom in node.ins:
                readers.setdefault(atom, []).append(at)

    def maker(self, atom: Atom) -> int | None:
        """Position of the operation that makes a value in this step."""
        return None if isinstance(atom, Literal) else self.order.get(atom)

    def size(self, node: Node) -> int:
        return self.step.size(node)

    def waits(self, node: Node, atom: Atom) -> int:
        """Level that an operation must have because of one input."""
        at = self.maker(atom)
        if at is None:
            return 0
        made = self.step.nodes[at]
        together = node.op not in OPERATORS and made.op not in OPERATORS and self.size(made) in (1, self.size(node))
        return self.level[at] + (not together)

    def home(self, at: int) -> tuple[int, int]:
        """The kernel of a pointwise operation: level and number of elements."""
        return self.level[at], self.size(self.step.nodes[at])

    def schedule(self) -> Schedule:
        wanted = self.wanted()
        members: dict[tuple[int, int], set[int]] = {}
        for value in wanted:
            members.setdefault(self.home(self.order[value]), set())
        pieces = []
        for home in sorted(members):
            written = [value for value in wanted if self.home(self.order[value]) == home]
            pieces.append(self.piece(home, written))
        operators = tuple((self.level[at], node) for at, node in enumerate(self.step.nodes) if node.op in OPERATORS)
        return Schedule(tuple(pieces), operators)

    def wanted(self) -> list[int]:
        """Values of pointwise operations that another kernel, an operator or an output reads."""
        wanted: dict[Any, None] = {}
        for at, node in enumerate(self.step.nodes):
            for atom in node.ins:
                made = self.maker(atom)
                if made is None or self.step.nodes[made].op in OPERATORS:
                    continue
                scalar = self.size(self.step.nodes[made]) == 1 and node.op not in OPERATORS
                if not scalar and (node.op in OPERATORS or self.home(made) != self.home(at)):
                    wanted[atom] = None
        for atom in self.step.outputs:
            if self.step.is_pointwise(atom):
                wanted[atom] = None
        return list(wanted)

    def piece(self, home: tuple[int, int], written: list[int]) -> Piece:
        level, size = home
        nodes, reads, shapes = self.closure(home, written), {}, set()
        made = {value for node in nodes for value in node.outs}
        for node in nodes:
            for atom in node.ins:
                if not isinstance(atom, Literal) and atom not in made:
                    kind, shape = self.kind(node, atom, size)
                    if reads.setdefault(atom, kind) != kind:
                        raise Unfusable(f"{node.op} at {node.where}: one array read in two ways")
                    shapes |= {shape} - {None}
        outputs = []
        for value in written:
            if value in self.step.bits:
                rows = self.step.bits[value]
                shapes |= {(rows, size // rows)} if rows > 1 else set()
                outputs.append(Output(value, bits=True))
            if value not in self.step.bits or self.read_whole(value):
                outputs.append(Output(value))
        if len(shapes) > 1:
            raise Unfusable(f"operations over {size} elements in rows of different lengths")
        rows, n = shapes.pop() if shapes else (1, size)
        if any(output.bits and self.step.bits[output.atom] != rows for output in outputs):
            raise Unfusable(f"operations over {size} elements in rows, with bits over all of them")
        uniform = tuple((value, kind in (Kind.SCALAR, Kind.COL)) for value, kind in reads.items())
        body = Body(tuple(nodes), uniform, tuple(outputs), self.step.types)
        return Piece(level, rows, n, tuple(reads.items()), tuple(outputs), body)

    def closure(self, home: tuple[int, int], written: list[int]) -> list[Node]:
        """The operations of a kernel, single numbers included, in order; constants are put in."""
        todo, members = [self.order[value] for value in written], set()
        while todo:
            at = todo.pop()
            if at in members:
                continue
            members.add(at)
            for atom in self.step.nodes[at].ins:
                made = self.maker(atom)
                if made is None or self.step.nodes[made].op in OPERATORS:
                    continue
                if self.home(made) == home or self.size(self.step.nodes[made]) == 1:
                    todo.append(made)
        nodes = []
        for at in sorted(members):
            node = self.step.nodes[at]
            ins = tuple(self.step.hoisted.seen(atom) for atom in node.ins)
            nodes.append(Node(node.op, node.params, ins, node.outs, node.where))
        return nodes

    def kind(self, node: Node, atom: int, size: int) -> tuple[Kind, tuple[int, int] | None]:
        """How a kernel reads a value, and the rows that this asks for."""
        given = self.step.types[atom]
        if given.size == size:
            return Kind.FULL, None
        if given.size == 1:
            return Kind.SCALAR, None
        result = max((self.step.types[value] for value in node.outs), key=lambda kind: kind.size)
        way = repeats(node, given, result)
        if way == "row":
            return Kind.ROW, (size // given.size, given.size)
        return Kind.COL, (given.size, size // given.size)

    def read_whole(self, value: int) -> bool:
        """Whether a value that is wanted as bits is also read as an array."""
        for at, node in enumerate(self.step.nodes):
            inside = node.op not in OPERATORS and self.home(at) == self.home(self.order[value])
            if not inside and any(atom == value and not reads_bits(node, i) for i, atom in enumerate(node.ins)):
                return True
        return value in self.step.outputs
