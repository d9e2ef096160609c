/* Scripts that mean no good, or do not know better: endless, greedy, deep, escaping. Each costs the
 * one call, and the next one is served. */
#include "test-lua.h"

#include <string.h>

static void
test_endless (void)
{
  lua_expect_failure ("\nfunction mail () while true do end end",
                      ".lua:2: more than 10000000 instructions");
  lua_expect_failure (
      "function mail () while true do pcall (function () while true do end end) end end",
      "more than 10000000 instructions");
  lua_expect_failure ("local function again () return pcall (again) or again () end\n"
                      "function mail () while true do again () end end",
                      "more than 10000000 instructions");
  lua_expect_failure ("function mail ()\n"
                      "  local closing <close> = setmetatable ({}, { __close = function ()\n"
                      "    while true do end end })\n"
                      "  while true do end end",
                      "more than 10000000 instructions");
  lua_expect_failure (
      "function mail () table.sort ({ 1, 2, 3 }, function () while true do end end) end",
      "more than 10000000 instructions");
  lua_expect_failure ("setmetatable (_G, { __index = function () while true do end end })\n"
                      "function mail () return there end",
                      "more than 10000000 instructions");
}

static void
test_deep (void)
{
  lua_expect_failure ("function mail () return 1 + mail () end", "not enough memory");
  lua_expect_failure ("local t = {} t = setmetatable (t, { __index = function (_, k)\n"
                      "  return t[k .. 'x'] end })\n"
                      "function mail () return t.a end",
                      "overflow");
  lua_expect_failure ("function mail () return (('('):rep (300)):find (('('):rep (300)) end",
                      "too many captures");
  lua_expect_failure ("function mail () return ('x'):rep (300000):find (('x?'):rep (300000)) end",
                      "pattern too complex");
}

static void
test_greedy (void)
{
  lua_expect_failure ("function mail () return ('x'):rep (1 << 30) end", "not enough memory");
  lua_expect_failure ("function mail () return ('x'):rep (1 << 62, ('y'):rep (9)) end",
                      "resulting string too large");
  lua_expect_failure ("function mail () local s = 'x' while true do s = s .. s end end",
                      "not enough memory");
  lua_expect_failure ("function mail () local t = {} for i = 1, math.huge do t[i] = i end end",
                      "not enough memory");
  lua_expect_failure ("function mail () local t = {} while true do\n"
                      "  pcall (function () t[#t + 1] = ('x'):rep (1000) .. #t end) end end",
                      "more than 10000000 instructions");
  lua_expect_failure ("function mail () return ('%9999999d'):format (1) end", "invalid");
}

/* What takes no memory must take no time either. */
static void
test_nothing_repeated (void)
{
  g_autoptr (WeirTest) harness
      = lua_harness ("function mail ()\n"
                     "  assert ((''):rep (1 << 60) == '' and (''):rep (1 << 60, '') == '')\n"
                     "  assert (('ab'):rep (2, ',') == 'ab,ab' and ('x'):rep (-1) == '')\n"
                     "end",
                     "");
  g_autoptr (WeirTestResult) result = weir_test_run_hook (harness, "mail", NULL, 0);

  g_assert_cmpstr (result->reply, ==, NULL);
}

static void
test_escapes (void)
{
  g_autoptr (WeirTest) harness = lua_harness (
      "function mail ()\n"
      "  for _, name in ipairs { 'io', 'os', 'package', 'debug', 'coroutine', 'load',\n"
      "      'loadfile', 'dofile', 'require', 'xpcall', 'collectgarbage' } do\n"
      "    assert (_G[name] == nil, name)\n"
      "  end\n"
      "  assert (string.dump == nil and getmetatable (weir) == 'weir')\n"
      "  assert (not pcall (setmetatable, weir, {}))\n"
      "  assert (not pcall (setmetatable, {}, { __gc = function () end }))\n"
      "  assert (getmetatable (setmetatable ({}, { __metatable = 5 })) == 5)\n"
      "  assert (not pcall (setmetatable, {}, 5) and not pcall (setmetatable))\n"
      "  assert (select ('#', pcall (error)) == 2 and not pcall (pcall))\n"
      "end",
      "");
  g_autoptr (WeirTestResult) result = weir_test_run_hook (harness, "mail", NULL, 0);

  g_assert_cmpstr (result->reply, ==, NULL);
}

static void
expect_count (WeirTest *harness, const char *hook, const char *notes)
{
  g_autoptr (WeirTestResult) result = weir_test_run_hook (harness, hook, NULL, 0);

  g_assert_cmpstr (result->notes, ==, notes);
}

static void
test_fresh_after_failure (void)
{
  g_autoptr (WeirTest) harness
      = lua_harness ("local calls = 0\n"
                     "function mail () calls = calls + 1 weir.set_note ('calls', calls) end\n"
                     "function rcpt () error ('x') end",
                     "");

  expect_count (harness, "mail", "calls=1\n");
  expect_count (harness, "mail", "calls=2\n");
  expect_count (harness, "rcpt", "");
  expect_count (harness, "mail", "calls=1\n");
}

static void
test_state_limits (void)
{
  /* Two octets for the length of all; a key of one letter and a value are 3 + 1 and 3 + n. */
  g_autoptr (WeirTest) harness
      = lua_harness ("function mail () weir.state = { a = ('x'):rep (4096 - 2 - 4 - 3) } end\n"
                     "function rcpt () weir.state.b = true end",
                     "");

  expect_count (harness, "mail", "");
  expect_count (harness, "mail", "");
  g_autoptr (WeirTestResult) more = weir_test_run_hook (harness, "rcpt", NULL, 0);
  g_assert_cmpint (more->verdict, ==, WEIR_TEST_FAILED);
  lua_assert_has (more->reply, "weir.state does not fit into 4094 octets");
  lua_expect_failure ("function mail () weir.state.a = ('x'):rep (70000) end", "does not fit");
  lua_expect_failure ("function mail () weir.state.a = {} end", "can not keep a table");
  lua_expect_failure ("function mail () weir.state[print] = 1 end", "can not keep a function");
  lua_expect_failure ("function mail () weir.state = 5 end", "table expected, got number");
}

static void
test_options (void)
{
  g_autofree char *little = lua_load_errors ("function mail () end", "memory = 100K");
  g_autofree char *few = lua_load_errors ("function mail () end", "instructions = 10");
  g_autofree char *enough = lua_load_errors ("function mail () end", "memory = 256K");
  g_autoptr (WeirTest) harness
      = lua_harness ("function mail () for i = 1, 20000 do end end", "instructions = 10000");
  g_autoptr (WeirTestResult) result = weir_test_run_hook (harness, "mail", NULL, 0);

  lua_assert_has (little, "memory");
  lua_assert_has (few, "instructions");
  g_assert_cmpstr (enough, ==, "");
  lua_assert_has (result->reply, "more than 10000 instructions");
}

/* More than the script may hold. */
static void
test_big_message (void)
{
  g_autofree char *body = g_strnfill (400 * 1024, 'x');
  g_autofree char *message = g_strconcat ("From: a@b\r\n\r\n", body, "\r\n", NULL);
  g_autoptr (WeirTest) harness
      = lua_harness ("function end_of_message () return weir.message_read () end", "memory = 256K");
  g_autoptr (WeirTestResult) read = weir_test_run (harness, message, strlen (message));
  g_autoptr (WeirTest) chunks
      = lua_harness ("local n = 0 function body (chunk) n = n + #chunk end\n"
                     "function end_of_message () weir.set_note ('n', n) end",
                     "memory = 512K");
  g_autoptr (WeirTestResult) counted = weir_test_run (chunks, message, strlen (message));

  lua_assert_has (read->reply, "not enough memory");
  g_assert_cmpstr (counted->notes, ==, "n=409602\n");
}

static void
test_stale_part (void)
{
  g_autoptr (WeirTestResult) result
      = lua_run ("local part function body () part = part or weir.parts ()[1] end\n"
                 "function end_of_message () return part.type end",
                 "From: a@b\r\n\r\nbody\r\n");

  lua_assert_has (result->reply, ".lua:2: a part of a call that is over");
}

void
lua_add_limit_tests (void)
{
  g_test_add_func ("/lua/limits/endless", test_endless);
  g_test_add_func ("/lua/limits/deep", test_deep);
  g_test_add_func ("/lua/limits/greedy", test_greedy);
  g_test_add_func ("/lua/limits/nothing-repeated", test_nothing_repeated);
  g_test_add_func ("/lua/limits/escapes", test_escapes);
  g_test_add_func ("/lua/limits/fresh-after-failure", test_fresh_after_failure);
  g_test_add_func ("/lua/limits/state", test_state_limits);
  g_test_add_func ("/lua/limits/options", test_options);
  g_test_add_func ("/lua/limits/big-message", test_big_message);
  g_test_add_func ("/lua/limits/stale-part", test_stale_part);
}
