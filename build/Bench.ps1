# Bench and Demo: the module measured, and shown at work.

# Benchmarks that need a farm, and its options; the others run on this machine alone. `farm` is measured beside stock Nix.
$benchFarms = @{
    supply  = '--size', '6g', '--'
    session = @('--')
    farm    = '--builders', 'aquamarine=2,ruby=2,kana=2', '--slots', '4', '--'
}

function Invoke-Bench([string[]] $ArgumentList) {
    $run = 'exec', "$out/build/bin/NixBuildFarm.Bench/release/NixBuildFarm.Bench.dll"
    $kind = if ($ArgumentList.Count -gt 0) { $ArgumentList[0] } else { '' }
    $farm = $benchFarms[$kind]
    if ($farm) { Invoke-Setup }
    Invoke-Build
    if (-not $farm) { exit (Invoke-Program dotnet ($run + $ArgumentList)) }
    $module = if ($kind -in 'farm', 'session') { '--module', '/opt/NixBuildFarm/NixBuildFarm.psd1' }
    # All cases make the table; some of them would leave half of one.
    $document = if ($kind -eq 'farm' -and $ArgumentList -notcontains '--case') { '--into', "$root/docs/benchmarks.md" }
    exit (Invoke-Program $withFarm ($farm + 'dotnet' + $run + $ArgumentList + @($module) + @($document)))
}

function Invoke-Demo {
    $demo = "$root/tests/Farm/demo.ps1"
    if (-not [IO.File]::Exists($demo)) { throw "There is no demo yet: $demo does not exist." }
    Invoke-Setup
    Invoke-Build
    exit (Invoke-Program $withFarm '--', 'pwsh', '-NoProfile', '-File', $demo)
}
