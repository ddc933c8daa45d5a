/* The least a process can be: ends at once, or, with an argument, waits until its input does. What
 * a cold native start and an idle native environment are divided by. */
#include <unistd.h>

int
main(int argc, char **argv)
{
    char byte;

    (void)argv;
    return argc > 1 && read(0, &byte, 1) < 0;
}
