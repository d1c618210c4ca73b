/*
 * A main for fuzz targets built without libFuzzer: runs the target over every file of the folder named, and over each
 * file cut short at 64 places, so that the kept corpora are a regression test under any compiler.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { FILE_MAX = 8 << 20, CUTS = 64 };

static void run_cuts(const uint8_t *data, size_t n)
{
    for (size_t cut = 0; cut <= CUTS; cut++) {
        size_t   keep = n * cut / CUTS;
        uint8_t *exact = malloc(keep + 1); /* its own block, so that a read past the end is seen */
        for (size_t i = 0; i < keep; i++)
            exact[i] = data[i];
        uint8_t *fit = realloc(exact, keep ? keep : 1);
        LLVMFuzzerTestOneInput(fit, keep);
        free(fit);
    }
}

static int run_file(const char *folder, const char *name)
{
    static uint8_t data[FILE_MAX];
    char           path[4096];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return 0;
    size_t n = fread(data, 1, sizeof data, f);
    fclose(f);
    run_cuts(data, n);
    return 1;
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    int  files = 0;

    if (folder == NULL) {
        fprintf(stderr, "usage: %s SEED_FOLDER\n", argv[0]);
        return 2;
    }
    for (struct dirent *e = readdir(folder); e != NULL; e = readdir(folder))
        if (e->d_name[0] != '.')
            files += run_file(argv[1], e->d_name);
    closedir(folder);
    printf("%d seeds: ok\n", files);
    return files == 0;
}
