"""Foreign keys → relations, named as a person would name them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from splice import names
from splice.reflection.models import ForeignKey, Model, Place, Relation

__all__ = ["related"]


def related(models: Sequence[Model]) -> tuple[Model, ...]:
    """The same models, with relations in both directions, and with the keys that close a circle of tables marked."""
    late = {id(key) for key in _circular(models)}
    marked = [
        replace(
            model,
            foreign_keys=tuple(
                replace(key, late=True) if id(key) in late else key for key in model.foreign_keys
            ),
        )
        for model in models
    ]
    relations = _Relations({model.place: model for model in marked})
    for model in marked:
        relations.add_references(model)
    for model in marked:
        relations.add_link(model)
    return tuple(replace(model, relations=tuple(relations.of[model.place])) for model in marked)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A foreign key between two models."""

    child: Model
    parent: Model
    key: ForeignKey


class _Relations:
    """The relations found so far, and the names that each class has used up."""

    def __init__(self, models: Mapping[Place, Model]) -> None:
        self._models = models
        self._taken = {
            place: {column.attribute for column in model.columns} for place, model in models.items()
        }
        self._between = Counter(
            _ends(model.place, key.target) for model in models.values() for key in model.foreign_keys
        )
        self.of: dict[Place, list[Relation]] = defaultdict(list)

    def add_references(self, child: Model) -> None:
        """Both directions of each foreign key of a model."""
        written: set[str] = set()
        parents = Counter(key.target for key in child.foreign_keys)
        for key in child.foreign_keys:
            pair = _Pair(child, self._models[key.target], key)
            # Two relations that write one column would contradict each other.
            self._add_reference(
                pair, alone=parents[key.target] == 1, view_only=not written.isdisjoint(key.columns)
            )
            written.update(key.columns)

    def add_link(self, link: Model) -> None:
        """Both directions through a table whose key is made of two foreign keys."""
        if not _is_link(link):
            return
        first, second = (self._models[key.target] for key in link.foreign_keys)
        name = self._name(
            first, names.link_name(second.name), f"{names.snake(link.name)}_{names.link_name(second.name)}"
        )
        back = self._name(
            second, names.link_name(first.name), f"{names.snake(link.name)}_{names.link_name(first.name)}"
        )
        for here, there, called, called_back in ((first, second, name, back), (second, first, back, name)):
            self.of[here.place].append(
                Relation(
                    name=called,
                    target=there.name,
                    many=True,
                    optional=False,
                    back=called_back,
                    owner=link.name,
                    through=link.name,
                    view_only=True,
                )
            )

    def _add_reference(self, pair: _Pair, *, alone: bool, view_only: bool) -> None:
        child, parent, key = pair.child, pair.parent, pair.key
        only_one = _is_unique(child, key.columns)
        name = self._parent_name(pair)
        called = names.children_name(child.name, parent.name, name, only_one=only_one, alone=alone)
        back = self._name(parent, called, f"{name}_{called}", f"{called}_by_{name}")
        local = _attributes(child, key.columns)
        stated = local if self._between[_ends(child.place, parent.place)] > 1 or child is parent else ()
        nullable = any(column.nullable for column in child.columns if column.name in key.columns)
        to_parent = Relation(
            name=name,
            target=parent.name,
            many=False,
            optional=nullable,
            back=back,
            owner=child.name,
            foreign_keys=stated,
            remote_side=_attributes(parent, key.target_columns) if child is parent else (),
            view_only=view_only,
        )
        self.of[child.place].append(to_parent)
        self.of[parent.place].append(
            replace(
                to_parent,
                name=back,
                target=child.name,
                many=not only_one,
                optional=True,
                back=name,
                remote_side=(),
                on_delete=key.ondelete,
            )
        )

    def _parent_name(self, pair: _Pair) -> str:
        name = names.parent_name(pair.key.columns, pair.parent.name)
        target = names.snake(pair.parent.name)
        other = f"{name}_row" if name == target else f"{name}_{target}"
        return self._name(pair.child, name, other)

    def _name(self, model: Model, name: str, *others: str) -> str:
        chosen = names.unique(name, self._taken[model.place], *others)
        self._taken[model.place].add(chosen)
        return chosen


def _ends(one: Place, other: Place) -> frozenset[Place]:
    return frozenset({one, other})


def _attributes(model: Model, columns: Iterable[str]) -> tuple[str, ...]:
    attributes = {column.name: column.attribute for column in model.columns}
    return tuple(attributes[column] for column in columns)


def _is_unique(model: Model, columns: Sequence[str]) -> bool:
    """Whether no two rows have the same values in these columns."""
    keys = [tuple(column.name for column in model.columns if column.primary_key)]
    keys += [rule.columns for rule in model.uniques]
    keys += [index.columns for index in model.indexes if index.unique]
    return any(key and set(key) <= set(columns) for key in keys)


def _is_link(model: Model) -> bool:
    if len(model.foreign_keys) != 2 or not model.key:
        return False
    first, second = model.foreign_keys
    key = {column.name for column in model.columns if column.primary_key}
    return (
        first.target != second.target
        and key == {*first.columns, *second.columns}
        and not {*first.columns} & {*second.columns}
        and model.place not in {first.target, second.target}
    )


def _circular(models: Sequence[Model]) -> Iterator[ForeignKey]:
    """Foreign keys without which the tables could be made one after the other."""
    refers: dict[Place, set[Place]] = defaultdict(set)
    for model in models:
        for key in model.foreign_keys:
            if key.target == model.place:
                continue
            if model.place in _reached(key.target, refers):
                yield key
            else:
                refers[model.place].add(key.target)


def _reached(start: Place, refers: Mapping[Place, set[Place]]) -> set[Place]:
    found, open_ = {start}, [start]
    while open_:
        new = refers.get(open_.pop(), set()) - found
        found |= new
        open_.extend(new)
    return found
