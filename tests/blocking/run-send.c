/* `mailweir send` alone, as a program that the test of it can start. */
#include "commands/commands.h"

int
main (int argc, char **argv)
{
  return command_send (argc, argv);
}
