"""Reads a CloudFormation template, without CloudFormation.

As much of its language as the templates of infra/ use: short forms, parameters,
conditions, Ref, Sub, If, Equals and Not. What is not known here is an error,
never left out.
"""

import re

import yaml

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::AccountId": "000000000000",
    "AWS::Region": "us-east-1",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "stack",
}

# What !Ref AWS::NoValue stands for: the thing that is not there.
NOTHING = object()


class Wrong(Exception):
    """The template, or what it was given, cannot be used."""


class Tag(dict):
    """A short form such as !Ref, read as {"Ref": ...}."""


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms."""


def short_form(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return Tag({suffix: value})


Loader.add_multi_constructor("!", short_form)


def load(text):
    # Safe: our Loader is a SafeLoader.
    return yaml.load(text, Loader)


def parameters(template, given):
    """The value of every parameter, of pseudo parameters, and of conditions."""
    known, given = dict(PSEUDO), dict(given)
    for name, parameter in template["Parameters"].items():
        value = given.pop(name, parameter.get("Default"))
        if value is None:
            raise Wrong(f"the template wants a value for {name}")
        pattern = parameter.get("AllowedPattern")
        is_list = parameter["Type"] == "CommaDelimitedList" or parameter["Type"].startswith("List<")
        for each in value.split(",") if is_list else [str(value)]:
            if pattern and not re.fullmatch(pattern, each):
                raise Wrong(f"{name}: {each} is not what the template allows")
        known[name] = value.split(",") if is_list else value
    if given:
        raise Wrong(f"the template has no parameter {', '.join(given)}")
    for name, condition in template.get("Conditions", {}).items():
        known[f"condition {name}"] = resolve(condition, known)
    return known


def made(template, known):
    """The resources whose condition holds."""
    resources = template["Resources"].items()
    return {
        logical: resource
        for logical, resource in resources
        if "Condition" not in resource or known[f"condition {resource['Condition']}"]
    }


def resolve(value, known):
    """The value with every function replaced by what it comes to."""
    match value:
        case Tag():
            return applied(value, known)
        case dict():
            return without_nothing({key: resolve(each, known) for key, each in value.items()})
        case list():
            return [each for each in (resolve(each, known) for each in value) if each is not NOTHING]
        case _:
            return value


def applied(tag, known):
    ((function, argument),) = tag.items()
    match function, argument:
        case "Ref", "AWS::NoValue":
            return NOTHING
        case "Ref", name:
            return found(name, known)
        case "GetAtt", name:
            return found(name, known)
        case "Sub", str():
            return re.sub(r"\$\{([^}]+)\}", lambda name: str(found(name[1], known)), argument)
        case "If", [condition, then, otherwise]:
            return resolve(then if known[f"condition {condition}"] else otherwise, known)
        case "Equals", [left, right]:
            return resolve(left, known) == resolve(right, known)
        case "Not", [condition]:
            return not resolve(condition, known)
    raise Wrong(f"!{function} {argument} is not known here")


def found(name, known):
    if name not in known:
        raise Wrong(f"{name} is not known here")
    return known[name]


def without_nothing(properties):
    return {key: each for key, each in properties.items() if each is not NOTHING}
