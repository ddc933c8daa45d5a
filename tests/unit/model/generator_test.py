"""The generator: what it reads, what it refuses (with file and line), and that its C is what the model says."""

import os
import re
import sys
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "model"))
sys.dont_write_bytecode = True

from gen import emit_errors, emit_ops, emit_types, generate, idl, model, names  # noqa: E402

HEAD = """$version: "2.0"
namespace com.example
use aws.protocols#restJson1
use lambent#onLoop
use lambent#bodyMax
use lambent#errorKinds
"""

SERVICE = (
    HEAD
    + """
@restJson1
service Small { version: "1" operations: [Put] errors: [Broken] }

@onLoop
@bodyMax(10)
@http(method: "PUT", uri: "/things/{Id}?kind=big", code: 201)
operation Put {
    input := {
        @required @httpLabel Id: Id
        @httpQuery("n") Count: Count
        @httpHeader("X-Mark") Mark: String
        Tags: TagMap
        When: Timestamp
    }
    output: Thing
    errors: [Missing]
}

structure Thing { Name: String  Parts: PartList  @length(max: 3) Short: String }
list PartList { member: Part }
structure Part { Weight: Double, On: Boolean, Inner: Thing }
map TagMap { key: String, value: Id }
@length(min: 1, max: 64) @pattern("[a-z\\\\d?]+") string Id
@range(min: 0, max: 9) integer Count
@error("client") @httpError(404) @errorKinds(["NOT_FOUND"]) structure Missing { Message: String, Type: String }
@error("server") @httpError(500) structure Broken { message: String }
"""
)


def read(name):
    with open(os.path.join(ROOT, "model", name), encoding="utf-8") as f:
        return f.read()


def common():
    return model.build_common(idl.parse("common.smithy", read("common.smithy")))


def build(text):
    return model.build(idl.parse("small.smithy", text), "small")


class Syntax(unittest.TestCase):
    def refuse(self, text, message):
        with self.assertRaises(idl.ModelError) as caught:
            build(text)
        self.assertEqual(str(caught.exception), message)

    def test_errors_name_file_and_line(self):
        for text, message in (
            ("", "small.smithy:1: no namespace"),
            ("structure A {}", "small.smithy:1: 'namespace' must come first"),
            ("namespace a\nresource B {}", "small.smithy:2: 'resource' is not supported"),
            ("namespace a\nstructure A {\n  x String\n}", "small.smithy:3: expected ':', found 'String'"),
            ("namespace a\nstructure A {\n  x: String = 1\n}", "small.smithy:3: default values are not supported"),
            ("namespace a\nstructure A {\n  x: String", "small.smithy:3: expected a member, found 'end of file'"),
            ("namespace a\nlist A { item: String }", "small.smithy:2: a list has the members: member"),
            ("namespace a\n%", "small.smithy:2: unexpected character '%'"),
            ('namespace a\n@pattern("\\q") string A', "small.smithy:2: unknown escape '\\q' in a string"),
            ('namespace a\n@pattern("abc) string A', "small.smithy:2: unexpected character '\"'"),
            ('namespace a\n@x("""a""") string A', "small.smithy:2: text blocks are not supported"),
            ("namespace a\nstructure A { x: String\n x: String }", "small.smithy:3: member 'x' is there twice"),
            ("namespace a\nstring A\nstring A", "small.smithy:3: 'A' is declared twice"),
            ('$version: "1.0"\nnamespace a', "small.smithy:2: only Smithy version 2 is understood"),
            ("namespace a\nuse b", "small.smithy:2: 'use' wants namespace#Shape"),
            ("namespace a\n@length(min: 1, min: 2) string A", "small.smithy:2: 'min' is there twice"),
        ):
            with self.subTest(text):
                self.refuse(text, message)

    def test_commas_comments_and_escapes(self):
        file = idl.parse(
            "x", 'namespace a // c\n/// doc\n@t(k: ["a", "b\\n\\u00e9\\""] , n: -1.5, o: {x: true, y: null}) string A'
        )
        self.assertEqual(
            file.shapes[0].traits[0].value, {"k": ["a", 'b\né"'], "n": -1.5, "o": {"x": True, "y": None}}
        )

    def test_enums_without_value_have_their_name(self):
        file = idl.parse("x", 'namespace a enum E { A, B = "b b" }')
        self.assertEqual([(m.name, m.target) for m in file.shapes[0].members], [("A", "A"), ("B", "b b")])


class Meaning(unittest.TestCase):
    def refuse(self, old, new, message):
        self.assertIn(old, SERVICE)
        with self.assertRaises(idl.ModelError) as caught:
            build(SERVICE.replace(old, new, 1))
        self.assertRegex(str(caught.exception), r"^small\.smithy:[0-9]+: ")
        self.assertEqual(str(caught.exception).split(": ", 1)[1], message)

    def test_a_good_one_is_built(self):
        self.assertEqual([op.name for op in build(SERVICE).operations], ["Put"])

    def test_wrong_models_are_refused(self):
        for old, new, message in (
            ("@onLoop", "@onLop", "unknown trait '@onLop'"),
            ("@bodyMax(10)", "@onLoop", "trait '@onLoop' is there twice"),
            ("Tags: TagMap", "Tags: TagMapp", "unknown shape 'TagMapp'"),
            ("{Id}", "{Di}", "Put: labels of the uri (Di) and @httpLabel members (Id) differ"),
            ("{Id}", "{Id+}", "Put: greedy labels are not supported"),
            ("/{Id}", "/a{Id}", "Put: bad segment 'a{Id}' in the uri"),
            ("@httpLabel Id: Id", "@httpLabel @httpQuery(\"a\") Id: Id", "'Id' has two places on the wire"),
            ("@httpLabel Id: Id", "@httpLabel Id: TagMap", "'Id' must be a simple shape"),
            ('@httpHeader("X-Mark") Mark', "@httpPayload Mark",
             "Put: PutInput: a payload member must be the only one in the body"),
            ("operations: [Put]", "operations: [Put, Get]", "'Get' is no operation"),
            ("operations: [Put]", "operations: []", "operation 'Put' is not listed in the service"),
            ("errors: [Missing]", "errors: [Thing]", "'Thing' lacks @error and @httpError"),
            ('["NOT_FOUND"]', '["LOST"]', "Missing: 'LOST' is no kind of struct err"),
            ("@range(min: 0, max: 9) integer", "@length(max: 9) integer", "Count: @length does not fit a integer"),
            ("@range(min: 0, max: 9)", "@range(min: 9, max: 0)", "Count: @range is empty"),
            ("@range(min: 0, max: 9)", "@range(min: 0.5)", "Count: @range wants whole numbers"),
            ("Parts: PartList", "PartS: PartList, partS: String", "'partS' and 'PartS' are both 'part_s' in C"),
            ("@restJson1\nservice", "service", "the service must have exactly one protocol"),
            ("structure Thing", "structure Unused { a: String }\nstructure Thing",
             "'Unused' is used by no operation"),
            ("service Small", "service Other { version: \"1\" }\n@restJson1 service Small", "one service a file"),
            ("When: Timestamp", '@timestampFormat("http-date") When: Timestamp',
             "timestamp format 'http-date' is not supported here"),
        ):
            with self.subTest(new):
                self.refuse(old, new, message)

    def test_two_operations_on_one_path_are_refused(self):
        text = SERVICE.replace("operations: [Put]", "operations: [Put, Again]") + (
            '@http(method: "PUT", uri: "/things/{Other}?kind=big") '
            "operation Again { input := { @required @httpLabel Other: String } }"
        )
        with self.assertRaises(idl.ModelError) as caught:
            build(text)
        self.assertTrue(str(caught.exception).endswith("Again: has the same method and uri as Put"))


class Output(unittest.TestCase):
    def setUp(self):
        self.service = build(SERVICE)
        self.header = emit_types.header(self.service)
        self.source = emit_ops.source(self.service, common())

    def test_structs(self):
        self.assertIn(
            "struct small_put_in {\n"
            "    struct str id; /* required; in the path */\n"
            "    struct opt_int count; /* query */\n"
            "    struct str mark; /* header */\n"
            "    struct small_tag_map tags;\n"
            "    struct opt_double when; /* seconds since 1970 */\n"
            "};\n",
            self.header,
        )
        self.assertIn("struct small_part_list {\n    struct small_part *at;\n", self.header)
        self.assertIn("    struct small_thing *inner;\n", self.header)  # recursion is by pointer
        self.assertIn(
            "int small_put(struct request *rq, const struct small_put_in *in, struct small_thing *ret, struct err *err);",
            self.header,
        )
        self.assertNotIn("weak", self.header)

    def test_rows(self):
        for text in (
            'static struct pattern pattern_shape_id = {.text = "[a-z\\\\d\\?]+"};',
            '{"Id", &shape_id, offsetof(struct small_put_in, id), .required = true, .place = PLACE_LABEL, .label = 0}',
            '{"Count", &shape_count, offsetof(struct small_put_in, count), .place = PLACE_QUERY, .wire = "n"}',
            "static const struct op_query query_put[] = {\n    {\"kind\", \"big\"},\n};",
            "        .on_loop = true,\n        .body_max = 10,\n",
            "[ERR_NOT_FOUND] = AWS_SMALL_MISSING,",
            "[ERR_INTERNAL] = AWS_INTERNAL_FAILURE,",
            "static const struct shape shape_member_thing_short_ = {",
        ):
            with self.subTest(text):
                self.assertIn(text, self.source)

    def test_errors(self):
        text = emit_errors.source(common(), [self.service])
        self.assertIn('[AWS_SMALL_MISSING] = {"Missing", "Message", &small_service, 404, false, true},', text)
        self.assertIn('[AWS_SMALL_BROKEN] = {"Broken", "message", &small_service, 500, true, false},', text)

    def test_names(self):
        for smithy, c in (
            ("FunctionName", "function_name"), ("KMSKeyArn", "kms_key_arn"), ("S3Bucket", "s3_bucket"),
            ("CodeSha256", "code_sha256"), ("Ipv6AllowedForDualStack", "ipv6_allowed_for_dual_stack"),
            ("DocumentDBEventSourceConfig", "document_db_event_source_config"), ("logGroupName", "log_group_name"),
            ("EC2AccessDeniedException", "ec2_access_denied_exception"), ("UUID", "uuid"),
        ):  # fmt: skip
            self.assertEqual(names.snake(smithy), c)
        self.assertEqual(names.field("Default"), "default_")
        self.assertEqual(names.c_string('a"\\?é\n1'), '"a\\"\\\\\\?\\303\\251\\0121"')


class RealModels(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.paths = [os.path.join(ROOT, "model", n + ".smithy") for n in ("common", "lambda", "logs")]
        cls.files = generate.generate(cls.paths[0], cls.paths[1:])

    def test_all_85_operations_of_lambda(self):
        self.assertEqual(len(re.findall(r"\.run = run_", self.files["lambda.c"])), 85)
        self.assertEqual(len(re.findall(r"\.run = run_", self.files["logs.c"])), 8)

    def test_output_is_the_same_each_time(self):
        self.assertEqual(self.files, generate.generate(self.paths[0], self.paths[1:]))

    def test_the_command_says_where_the_error_is(self):
        import contextlib
        import io
        import tempfile

        with tempfile.TemporaryDirectory() as d:
            bad = os.path.join(d, "bad.smithy")
            with open(bad, "w") as f:
                f.write("namespace a\n\nstructure A { x }\n")
            err = io.StringIO()
            with contextlib.redirect_stderr(err):
                self.assertEqual(generate.main([d, self.paths[0], bad]), 1)
            self.assertEqual(err.getvalue(), bad + ":3: expected ':', found '}'\n")
            self.assertEqual(os.listdir(d), ["bad.smithy"])


if __name__ == "__main__":
    unittest.main()
