# Fuzz: broken input for every parser of foreign bytes.

function Invoke-Fuzz([string[]] $ArgumentList) {
    $env:NIXBUILDFARM_FUZZ_SECONDS = Get-Number $ArgumentList '--seconds' 60
    $env:NIXBUILDFARM_FUZZ_SEED = Get-Number $ArgumentList '--seed' ([Random]::new().Next(1, 1000000))
    Invoke-Build
    Write-Line "Seed $env:NIXBUILDFARM_FUZZ_SEED, $env:NIXBUILDFARM_FUZZ_SECONDS s for each parser"
    exit (Invoke-Program dotnet 'exec', "$out/build/bin/NixBuildFarm.Fuzz.Tests/release/NixBuildFarm.Fuzz.Tests.dll", '-noLogo', '-noColor')
}

# Value of an option of the command line.
function Get-Number([string[]] $ArgumentList, [string] $Name, [int] $Default) {
    $at = [Array]::IndexOf($ArgumentList, $Name)
    if ($at -lt 0) { return $Default }
    $value = if ($at + 1 -lt $ArgumentList.Count) { $ArgumentList[$at + 1] }
    if ($value -notmatch '^[0-9]{1,9}$') { throw "$Name needs a number." }
    $value
}
