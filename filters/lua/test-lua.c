/* The filter "lua": the example of its README, every hook, question, verdict and edit, state, and
 * what keeps a script from loading. Limits stand in test-limits.c. */
#include "test-lua.h"

#include <glib/gstdio.h>
#include <string.h>

#define MESSAGE "From: a@b\r\nSubject: x\r\n\r\nbody\r\n"
#define MIXED                                                                                      \
  "From: a@b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhi\r\n--x\r\n"         \
  "Content-Type: Application/Zip; name=a.zip\r\nContent-Disposition: attachment\r\n"               \
  "Content-Transfer-Encoding: base64\r\n\r\nUEs=\r\n--x--\r\n"

/* ---- What the tests share ---- */

static char *
write_script (const char *script)
{
  char *path = NULL;
  gint fd = g_file_open_tmp ("mailweir-XXXXXX.lua", &path, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  g_assert_true (g_file_set_contents (path, script, -1, NULL));
  return path;
}

static char *
filter_text (const char *path, const char *options)
{
  return g_strdup_printf ("filter \"f\" { module = \"lua\" script = \"%s\" %s }", path, options);
}

WeirTest *
lua_harness (const char *script, const char *options)
{
  g_autofree char *path = write_script (script);
  g_autofree char *text = filter_text (path, options);
  WeirTest *harness = weir_test_new ("\"f\"", text);

  g_assert_cmpint (g_remove (path), ==, 0);
  return harness;
}

WeirTestResult *
lua_run (const char *script, const char *message)
{
  g_autoptr (WeirTest) harness = lua_harness (script, "");

  return weir_test_run (harness, message, strlen (message));
}

char *
lua_load_errors (const char *script, const char *options)
{
  g_autofree char *path = write_script (script);
  g_autofree char *text = filter_text (path, options);
  char *errors = weir_test_load_errors ("\"f\"", text);

  g_assert_cmpint (g_remove (path), ==, 0);
  return errors == NULL ? g_strdup ("") : errors;
}

void
lua_assert_has (const char *text, const char *part)
{
  if (text == NULL || strstr (text, part) == NULL)
    g_error ("no \"%s\" in: %s", part, text);
}

void
lua_expect_failure (const char *script, const char *reason)
{
  g_autoptr (WeirTest) harness = lua_harness (script, "");
  g_autoptr (WeirTestResult) result = weir_test_run_hook (harness, "mail", NULL, 0);

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_FAILED);
  lua_assert_has (result->reply, reason);
}

/* ---- The README ---- */

/* The first block of the page that is fenced like this. Caller frees. */
static char *
block_of (const char *page, const char *fence)
{
  const char *at = strstr (page, fence);
  const char *end = at == NULL ? NULL : strstr (at + strlen (fence), "```");

  g_assert_nonnull (end);
  at += strlen (fence);
  return g_strndup (at, end - at);
}

static void
test_readme (void)
{
  g_autofree char *page = NULL;
  g_autofree char *docs = NULL;
  g_autofree char *script = NULL;
  g_autofree char *filter = NULL;
  g_autofree char *path = NULL;
  g_autoptr (GString) text = NULL;
  g_autoptr (WeirTest) harness = NULL;
  const char *noisy = "From: a@b\r\nX-NOISE: yes\r\n\r\n";
  g_autoptr (WeirTestResult) refused = NULL;
  g_autoptr (WeirTestResult) passed = NULL;

  g_assert_true (g_file_get_contents (FILTER_SOURCE "/README.md", &page, NULL, NULL));
  g_assert_true (
      g_file_get_contents (FILTER_SOURCE "/../../docs/writing-filters.md", &docs, NULL, NULL));
  script = block_of (page, "```lua\n");
  lua_assert_has (docs, script);
  filter = block_of (strstr (page, "end\n```\n") + strlen ("end\n```\n"), "```\n");
  path = write_script (script);
  text = g_string_new (filter);
  g_assert_cmpuint (g_string_replace (text, "/etc/mailweir/no-noise.lua", path, 0), ==, 1);
  harness = weir_test_new ("\"no-noise\"", text->str);
  g_assert_cmpint (g_remove (path), ==, 0);
  refused = weir_test_run (harness, noisy, strlen (noisy));
  passed = weir_test_run (harness, MESSAGE, strlen (MESSAGE));
  g_assert_cmpstr (refused->reply, ==, "550 5.7.1 No noise, please");
  g_assert_cmpint (passed->verdict, ==, WEIR_TEST_PASS);
  weir_test_assert_message (passed, MESSAGE, strlen (MESSAGE));
  g_assert_false (weir_test_needs_body (harness));
}

/* ---- Hooks ---- */

static void
expect_call (WeirTest *harness, const char *hook, const char *argument, const char *call)
{
  g_autoptr (WeirTestResult) result = weir_test_run_hook (harness, hook, argument, 250);
  g_autofree char *notes = g_strdup_printf ("call=%s\n", call);

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  g_assert_cmpstr (result->notes, ==, notes);
}

static void
test_hooks (void)
{
  g_autoptr (WeirTest) harness = lua_harness (
      "for _, hook in ipairs { 'connect', 'helo', 'ehlo', 'mail', 'rcpt', 'data', 'rset', 'noop',\n"
      "    'vrfy', 'expn', 'help', 'quit', 'unknown', 'message_over', 'session_over' } do\n"
      "  _G[hook] = function (...)\n"
      "    weir.set_note ('call', hook .. '(' .. table.concat ({ ... }, ',') .. ')')\n"
      "  end\n"
      "end",
      "");

  expect_call (harness, "connect", NULL, "connect()");
  expect_call (harness, "helo", "h", "helo(h)");
  expect_call (harness, "ehlo", "e", "ehlo(e)");
  expect_call (harness, "mail", NULL, "mail(a@example.org)");
  expect_call (harness, "rcpt", NULL, "rcpt(b@example.net)");
  expect_call (harness, "data", NULL, "data()");
  expect_call (harness, "rset", NULL, "rset()");
  expect_call (harness, "noop", "n", "noop(n)");
  expect_call (harness, "vrfy", "v", "vrfy(v)");
  expect_call (harness, "expn", "x", "expn(x)");
  expect_call (harness, "help", "me", "help(me)");
  expect_call (harness, "quit", NULL, "quit()");
  expect_call (harness, "unknown", "FOO bar", "unknown(FOO bar)");
  expect_call (harness, "message_over", "2.0.0 Ok", "message_over(250,2.0.0 Ok)");
  expect_call (harness, "session_over", NULL, "session_over()");
  g_assert_false (weir_test_needs_body (harness));
}

static void
test_message_hooks (void)
{
  g_autoptr (WeirTestResult) result
      = lua_run ("local calls = {}\n"
                 "local function add (text) calls[#calls + 1] = text end\n"
                 "function header (name, value)\n"
                 "  add (weir.header_index .. name .. '=' .. value) end\n"
                 "function end_of_headers () add ('eoh' .. tostring (weir.header_index)) end\n"
                 "function body (chunk) add (#chunk) end\n"
                 "function end_of_message () weir.set_note ('n', table.concat (calls, ' ')) end",
                 MESSAGE);

  g_assert_cmpstr (result->notes, ==, "n=1From=a@b 2Subject=x eohnil 6\n");
}

static void
test_questions (void)
{
  g_autoptr (WeirTestResult) result = lua_run (
      "function end_of_message ()\n"
      "  local w = weir\n"
      "  w.set_note ('a', table.concat ({ w.filter_name, w.listener, w.hostname, w.session_id,\n"
      "    w.client_address, w.client_port, w.client_name, w.helo, tostring (w.user),\n"
      "    tostring (w.tls_protocol), tostring (w.tls_cipher), w.sender, #w.sender_parameters,\n"
      "    w.message_id, tostring (w.user_mechanism),\n"
      "    table.concat (w.recipients, ','), #w.recipient_parameters (1) }, ' '))\n"
      "  w.set_note ('b', table.concat ({ w.header_count, w.message_size, w.header ('from'),\n"
      "    tostring (w.header ('To')), w.header_find ('subject'),\n"
      "    tostring (w.header_find ('From', 2)), w.header_name (2), w.header_value (2),\n"
      "    w.header_raw (2), tostring (w.header_name (3)), w.message_read (1, 4),\n"
      "    #w.message_read (), w.message_read (w.message_size - 1), #w.message_read (99),\n"
      "    w.decode_words ('=?utf-8?q?=C3=A4?='), tostring (w.note ('x')), w.note ('a'):sub (1, "
      "1),\n"
      "    tostring (w.time_left > 0) }, '|'))\n"
      "  for i, name, value in w.headers () do w.log (i, name, value) end\n"
      "end",
      MESSAGE);

  g_assert_cmpstr (result->reply, ==, NULL);
  g_assert_cmpstr (result->notes, ==,
                   "a=f l mx.example.org TEST 192.0.2.1 0 client.example client.example nil nil nil"
                   " a@example.org 0 MESSAGE nil b@example.net 0\n"
                   "b=2|31|a@b|nil|2|nil|Subject|x| x|nil|From|31|\r\n|0|ä|nil|f|true\n");
}

static void
test_arguments (void)
{
  g_autoptr (WeirTest) harness = lua_harness (
      "function mail () return weir.reply (550, weir.arguments[1] .. weir.arguments[2]) end",
      "arguments = [\"a\", \"b\"]");
  g_autoptr (WeirTestResult) result = weir_test_run_hook (harness, "mail", NULL, 0);

  g_assert_cmpstr (result->reply, ==, "550 ab");
}

/* ---- Verdicts ---- */

static void
expect_verdict (const char *answer, WeirTestVerdict verdict, const char *reply)
{
  g_autofree char *script = g_strdup_printf ("function mail () return %s end", answer);
  g_autoptr (WeirTest) harness = lua_harness (script, "");
  g_autoptr (WeirTestResult) result = weir_test_run_hook (harness, "mail", NULL, 0);

  g_assert_cmpint (result->verdict, ==, verdict);
  g_assert_cmpstr (result->reply, ==, reply);
}

static void
test_verdicts (void)
{
  expect_verdict ("", WEIR_TEST_PASS, NULL);
  expect_verdict ("nil", WEIR_TEST_PASS, NULL);
  expect_verdict ("weir.pass", WEIR_TEST_PASS, NULL);
  expect_verdict ("weir.skip", WEIR_TEST_PASS, NULL);
  expect_verdict ("weir.discard", WEIR_TEST_DISCARDED, NULL);
  expect_verdict ("weir.reply (550, '5.7.1', 'no %s')", WEIR_TEST_REFUSED, "550 5.7.1 no %s");
  expect_verdict ("weir.reply (450, 'later')", WEIR_TEST_REFUSED, "450 later");
  expect_verdict ("weir.close (421, nil, 'go')", WEIR_TEST_REFUSED, "421 go");
  expect_verdict ("weir.quarantine ('odd\\n')", WEIR_TEST_QUARANTINED, "odd ");
}

static void
test_bad_verdicts (void)
{
  expect_verdict ("1", WEIR_TEST_FAILED, "mail: mail returns number, which is no verdict");
  expect_verdict ("'nonsense'", WEIR_TEST_FAILED,
                  "mail: mail returns nonsense, which is no verdict");
  expect_verdict ("'reply'", WEIR_TEST_FAILED, "gives a reply without having set one");
  lua_expect_failure ("function mail () weir.reply (550, 'no') end", "does not return it");
  lua_expect_failure ("\nfunction mail () return weir.reply (99, 'no') end",
                      ".lua:2: bad argument #1");
  lua_expect_failure ("function mail () return weir.reply (550, 'a\\0b') end", "a NUL is in it");
  lua_expect_failure ("function mail () return weir.reply (550, '4.0.0', 'no') end",
                      "can not be sent");
  lua_expect_failure ("function mail () return weir.nonsense end", ".lua:1: there is no weir.nons");
  lua_expect_failure ("function mail () weir.sender = 'x' end", ".lua:1: weir.sender can not be");
  lua_expect_failure ("function mail ()\n\nlocal x = nil + 1 end", ".lua:3: attempt to perform");
  lua_expect_failure ("function mail () error {} end", "an error that is no text but a table");
  lua_expect_failure ("function mail () error () end", "an error that is no text but a nil");
}

/* ---- Commands, pieces, recipients ---- */

static void
expect_command (WeirTest *harness, const char *line, WeirTestVerdict verdict, const char *reply)
{
  g_autoptr (WeirTestResult) result = weir_test_run_hook (harness, "command", line, 0);

  g_assert_cmpint (result->verdict, ==, verdict);
  g_assert_cmpstr (result->reply, ==, reply);
}

static void
test_commands (void)
{
  g_autoptr (WeirTest) harness
      = lua_harness ("commands = {\n"
                     "  XADD = function (text) return weir.reply (550, 'got ' .. text) end,\n"
                     "  ['x-two'] = { announce = true, greeted = true, run = function ()\n"
                     "    return weir.reply (551, weir.helo or 'nobody') end } }\n",
                     "");

  expect_command (harness, "XADD one two", WEIR_TEST_REFUSED, "550 got one two");
  expect_command (harness, "X-TWO", WEIR_TEST_REFUSED, "551 client.example");
  expect_command (harness, "XADD", WEIR_TEST_REFUSED, "550 got");
}

static void
expect_load_error (const char *script, const char *part)
{
  g_autofree char *errors = lua_load_errors (script, "");

  lua_assert_has (errors, part);
  g_assert_true (g_str_has_prefix (errors, "test.conf:5:"));
}

static void
test_bad_commands (void)
{
  g_autofree char *most
      = lua_load_errors ("commands = {} for i = 1, 64 do commands['X' .. i] = print end", "");

  g_assert_cmpstr (most, ==, "");
  expect_load_error ("commands = {} for i = 1, 65 do commands['X' .. i] = print end",
                     "more than 64 commands");
  expect_load_error ("commands = 1", "commands is no table");
  expect_load_error ("commands = { XA = 1 }", "commands.XA is neither a function nor a table");
  expect_load_error ("commands = { XA = { announce = true } }", "commands.XA is neither");
  expect_load_error ("commands = { print }", "a key of commands is no verb");
  expect_load_error ("commands = { MAIL = print }", "is one of the gateway's own");
  expect_load_error ("commands = { ['a b'] = print }", "other than letters");
  expect_load_error ("commands = { XA = print, xa = print }", "is added twice");
  expect_load_error ("commands = {}", "defines no hook");
}

static void
expect_pieces (const char *size, const char *pieces)
{
  g_autofree char *script = g_strdup_printf (
      "local all = ''\nfunction end_of_headers () all = '' weir.set_body_chunk (%s) end\n"
      "function body (chunk) all = all .. #chunk .. ' ' weir.set_note ('pieces', all) end",
      size);
  g_autoptr (WeirTestResult) result = lua_run (script, "A: b\r\n\r\n1\r\n\r\n12345\r\n");

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  lua_assert_has (result->notes, pieces);
}

static void
test_pieces (void)
{
  expect_pieces ("'lines'", "pieces=3 2 7 ");
  expect_pieces ("5", "pieces=5 5 2 ");
  expect_pieces ("0", "pieces=12 ");
  lua_expect_failure ("function mail () weir.set_body_chunk (-1) end", "octets, or \"lines\"");
  lua_expect_failure ("function mail () weir.set_body_chunk ('x') end", "bad argument #1");
  lua_expect_failure ("function mail () return weir.split () end", "splits off a recipient");
}

/* ---- Edits ---- */

static void
expect_edit (const char *statements, const char *message, const char *expected)
{
  g_autofree char *script = g_strdup_printf ("function end_of_message () %s end", statements);
  g_autoptr (WeirTestResult) result = lua_run (script, message);

  g_assert_cmpstr (result->reply, ==, NULL);
  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  weir_test_assert_message (result, expected, strlen (expected));
}

static void
test_edits (void)
{
  expect_edit ("weir.header_prepend ('A', '1') weir.header_append ('B', '2\\n 3')", MESSAGE,
               "A: 1\r\nFrom: a@b\r\nSubject: x\r\nB: 2\r\n 3\r\n\r\nbody\r\n");
  expect_edit ("weir.header_insert (2, 'A', '1') weir.header_change (1, 'c@d') "
               "weir.header_insert_raw (3, 'B', '2') weir.header_change_raw (3, '3') "
               "weir.header_remove (4)",
               MESSAGE, "From: c@d\r\nA: 1\r\nB:3\r\n\r\nbody\r\n");
  expect_edit ("weir.body_replace ('new\\n')", MESSAGE, "From: a@b\r\nSubject: x\r\n\r\nnew\r\n");
  expect_edit ("weir.message_replace ('A: 1\\n\\nnew\\n')", MESSAGE, "A: 1\r\n\r\nnew\r\n");
  expect_edit ("print (pcall (weir.header_append, 'A', '1\\n2'), "
               "pcall (weir.header_change, 9, 'x'))",
               MESSAGE, MESSAGE);
}

static void
test_envelope (void)
{
  g_autoptr (WeirTestResult) result
      = lua_run ("function data () end\n"
                 "function end_of_headers ()\n"
                 "  weir.set_sender ('new@example.org', { 'SIZE=5' })\n"
                 "  weir.add_recipient ('c@example.net', {})\n"
                 "  weir.remove_recipient ('B@example.net')\n"
                 "  weir.set_note ('now', weir.sender_parameters[1] .. weir.recipients[1])\n"
                 "end",
                 MESSAGE);

  g_assert_cmpstr (result->sender, ==, "new@example.org");
  g_assert_cmpstr (result->recipients, ==, "c@example.net");
  g_assert_cmpstr (result->notes, ==, "now=SIZE=5c@example.net\n");
}

static void
test_bad_edits (void)
{
  lua_expect_failure ("function mail () weir.header_append ('A', 'b') end",
                      ".lua:1: headers can not be edited in mail");
  lua_expect_failure ("function mail () weir.set_sender ('a b') end", ".lua:1: ");
  lua_expect_failure ("function mail () weir.add_recipient ('a@b', { 1 }) end",
                      "bad argument #2 to 'add_recipient' (a list of strings)");
  lua_expect_failure ("function mail () weir.header_remove (0) end", "counted from 1");
}

static void
test_parts (void)
{
  expect_edit ("local t = {} for i, p in ipairs (weir.parts ()) do t[i] = table.concat (\n"
               "{ p.type, tostring (p.name), tostring (p.disposition), p.depth,\n"
               "  tostring (p.multipart), tostring (p:content ()) }, ',') end\n"
               "assert (table.concat (t, ' ') == 'multipart/mixed,nil,nil,0,true,nil '\n"
               "  .. 'text/plain,nil,nil,1,false,hi '\n"
               "  .. 'application/zip,a.zip,attachment,1,false,PK', table.concat (t, ' '))",
               MIXED, MIXED);
  expect_edit (
      "weir.parts ()[3]:replace ('Content-Type: a/b\\n\\ngone') weir.parts ()[2]:remove ()", MIXED,
      "From: a@b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
      "--x\r\nContent-Type: a/b\r\n\r\ngone\r\n--x--\r\n");
  expect_edit ("local parts = weir.parts () assert (not pcall (parts[2].insert, parts[2], 1, ''))\n"
               "assert (not pcall (function () return parts[1].nonsense end))\n"
               "assert (getmetatable (parts[1]) == 'part')\n"
               "assert (weir.part_text ('text'):find ('text/plain', 1, true))",
               MIXED, MIXED);
  expect_edit ("weir.parts ()[1]:insert (3, 'Content-Type: a/b\\n\\nnew')",
               "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhi\r\n--x--\r\n",
               "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhi\r\n"
               "--x\r\nContent-Type: a/b\r\n\r\nnew\r\n--x--\r\n");
}

/* ---- State ---- */

static void
test_state (void)
{
  g_autoptr (WeirTest) harness = lua_harness (
      "function mail ()\n"
      "  weir.state = { text = 'a\\0b', [7] = 2.5, yes = true, no = false, deep = -3 }\n"
      "end\n"
      "function rcpt ()\n"
      "  local s = weir.state\n"
      "  assert (s.text == 'a\\0b' and s[7] == 2.5 and s.yes == true and s.no == false)\n"
      "  assert (math.type (s.deep) == 'integer' and s.deep == -3 and s.more == nil)\n"
      "  s.count = (s.count or 0) + 1\n"
      "  weir.set_note ('count', s.count)\n"
      "end",
      "");

  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *notes = g_strdup_printf ("count=%u\n", i + 1);
      g_autoptr (WeirTestResult) rcpt = NULL;

      if (i == 0)
        weir_test_result_free (weir_test_run_hook (harness, "mail", NULL, 0));
      rcpt = weir_test_run_hook (harness, "rcpt", NULL, 0);

      g_assert_cmpstr (rcpt->reply, ==, NULL);
      g_assert_cmpstr (rcpt->notes, ==, notes);
    }
}

/* ---- Loading ---- */

static void
test_load_errors (void)
{
  g_autofree char *missing = weir_test_load_errors (
      "\"f\"", "filter \"f\" { module = \"lua\" script = \"/nowhere.lua\" }");
  g_autofree char *folder
      = weir_test_load_errors ("\"f\"", "filter \"f\" { module = \"lua\" script = \"/\" }");
  g_autofree char *endless
      = weir_test_load_errors ("\"f\"", "filter \"f\" { module = \"lua\" script = \"/dev/zero\" }");
  g_autofree char *spaces = g_strnfill (1024 * 1024 + 1, ' ');

  lua_assert_has (missing, "test.conf:5:38: filter \"f\": /nowhere.lua: No such file");
  lua_assert_has (folder, "/: is no file");
  lua_assert_has (endless, "/dev/zero: is no file");
  expect_load_error (spaces, "is longer than 1M");
  expect_load_error ("function mail ()\n  retrun 5\nend", ".lua:2: syntax error near");
  expect_load_error ("\nlocal x = nothing.there", ".lua:2: attempt to index a nil value");
  expect_load_error ("mail = 5", "mail is a number, but a hook is a function");
  expect_load_error ("function mial () end", "defines no hook");
  expect_load_error ("", "defines no hook");
  expect_load_error ("\033Lua", "attempt to load a binary chunk");
  expect_load_error ("local sender = weir.sender", "weir can only be asked in a hook");
  expect_load_error ("while true do end", ".lua:1: more than 10000000 instructions");
  expect_load_error ("local t = {} while true do t[#t + 1] = ('x'):rep (1000) .. #t end",
                     "not enough memory");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lua/readme", test_readme);
  g_test_add_func ("/lua/hooks", test_hooks);
  g_test_add_func ("/lua/message-hooks", test_message_hooks);
  g_test_add_func ("/lua/questions", test_questions);
  g_test_add_func ("/lua/arguments", test_arguments);
  g_test_add_func ("/lua/verdicts", test_verdicts);
  g_test_add_func ("/lua/bad-verdicts", test_bad_verdicts);
  g_test_add_func ("/lua/edits", test_edits);
  g_test_add_func ("/lua/envelope", test_envelope);
  g_test_add_func ("/lua/bad-edits", test_bad_edits);
  g_test_add_func ("/lua/commands", test_commands);
  g_test_add_func ("/lua/bad-commands", test_bad_commands);
  g_test_add_func ("/lua/pieces", test_pieces);
  g_test_add_func ("/lua/parts", test_parts);
  g_test_add_func ("/lua/state", test_state);
  g_test_add_func ("/lua/load-errors", test_load_errors);
  lua_add_limit_tests ();
  lua_add_api_tests ();
  return g_test_run ();
}
