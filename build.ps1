#requires -Version 7.4
<#
.SYNOPSIS
    Builds, tests and shows NixBuildFarm. `./build.sh TASK` runs this where there is no pwsh.
.DESCRIPTION
    Setup   installs what the farm and the tests of the report need (Debian, as root); says what is missing elsewhere
    Build   lays out the module in out/NixBuildFarm
    Test    runs every test, those of the farm in farms on this machine; ends with: N passed, N failed, N skipped
    Fuzz    feeds broken input to every parser of foreign bytes; `Fuzz --seconds N` for each (60), `--seed N` (a random one)
    Demo    shows the module at work on a farm on this machine
    Bench   measures, and prints a table of docs/benchmarks.md: `Bench scheduler [--graphs DIR]` of the scheduler in simulation,
            `Bench parts [--derivations DIR]` of parsers and protocol, `Bench session [--runs N]` of what one waits for at the prompt,
            `Bench soak [--runs N]` of what a session holds that builds a hundred times, `Bench channels` of what a channel costs,
            `Bench supply` of transfers and `Bench farm [--runs N] [--case WORDS] [--json FILE]` of whole builds beside stock Nix,
            on a farm on this machine; without --case the last one replaces its table in that file, and so does
            `Bench front [--runs N]`, of Nix commands that build through a farm that serves
    Docs    brings docs/en-US up to date with the cmdlets: syntax, and the properties of parameters
    Package makes a package in out/package that Install-PSResource takes from a folder; says how
    Clean   deletes out/
#>
param(
    [string] $Task = 'Build',
    [Parameter(ValueFromRemainingArguments)]
    [string[]] $Rest = @()
)
Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

$root = $PSScriptRoot
$out = "$root/out"
foreach ($family in 'Programs', 'Setup', 'Build', 'Precompile', 'Test', 'Versions', 'Fuzz', 'Bench', 'Package') { . "$root/build/$family.ps1" }

$tasks = [ordered]@{
    Setup   = { Invoke-Setup }
    Build   = { Invoke-Build }
    Test    = { Invoke-Test }
    Fuzz    = { Invoke-Fuzz $Rest }
    Demo    = { Invoke-Demo }
    Bench   = { Invoke-Bench $Rest }
    Docs    = { Invoke-Docs }
    Package = { Invoke-Package }
    Clean   = { Invoke-Clean }
}
if (-not $tasks.Contains($Task)) {
    [Console]::Error.WriteLine("build: there is no task $Task. Tasks: $($tasks.Keys)")
    exit 64
}
try {
    & $tasks[$Task]
}
catch [Management.Automation.RuntimeException] {
    # What we throw is for the person reading it; anything else is a defect of this script and keeps its position.
    if ($_.Exception.GetType() -ne [Management.Automation.RuntimeException]) { throw }
    [Console]::Error.WriteLine("build: $_")
    exit 1
}
