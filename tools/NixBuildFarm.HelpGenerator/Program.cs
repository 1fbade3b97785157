using NixBuildFarm.HelpGenerator;

const string Usage =
    "Usage: NixBuildFarm.HelpGenerator PAGES OUTPUT: writes the help of the pages *.md in the folder PAGES to the folder OUTPUT.";
const int WrongUsage = 64;

if (args is not [var pages, var output])
{
    Console.Error.WriteLine(Usage);
    return WrongUsage;
}
try
{
    foreach (var file in HelpFile.OfPages(pages)) file.Write(output);
    return 0;
}
catch (PageException e)
{
    // The form that MSBuild takes for an error of that file.
    Console.Error.WriteLine($"{e.Page}({e.Line}): error HELP: {e.Message}");
    return 1;
}
