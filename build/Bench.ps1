# Bench and Demo: the module measured, and shown at work.

# Benchmarks that need a farm, and its options; the others run on this machine alone. `farm` is measured beside stock Nix.
$benchFarms = @{
    supply  = '--size', '6g', '--'
    session = @('--')
    soak    = @('--')
    channels = @('--')
    farm    = '--builders', 'aquamarine=2,ruby=2,kana=2', '--slots', '4', '--'
    front   = '--builders', 'aquamarine=2,ruby=2,kana=2', '--slots', '4', '--'
    share   = '--sandbox', '--size', '3g', '--builders', 'b1=4,b2=4,b3=4,b4=4,b5=4,b6=4,b7=4,b8=4', '--slots', '4', '--'
}

function Invoke-Bench([string[]] $ArgumentList) {
    $run = 'exec', "$out/build/bin/NixBuildFarm.Bench/release/NixBuildFarm.Bench.dll"
    $kind = if ($ArgumentList.Count -gt 0) { $ArgumentList[0] } else { '' }
    # Help needs no farm.
    $farm = if ($ArgumentList -notcontains '--help') { $benchFarms[$kind] }
    if ($farm) { Invoke-Setup }
    Invoke-Build
    if (-not $farm) { exit (Invoke-Program dotnet ($run + $ArgumentList)) }
    $toolchain = if ($kind -eq 'share') { '--toolchain', "$root/out/toolchain" }
    if ($toolchain) { Invoke-Checked "$root/tests/Farm/toolchain/make.sh" @() }
    $module = if ($kind -in 'farm', 'front', 'session', 'share', 'soak') { '--module', '/opt/NixBuildFarm/NixBuildFarm.psd1' }
    # All cases make the table; some of them would leave half of one.
    $isWhole = ($kind -eq 'farm' -and $ArgumentList -notcontains '--case') -or ($kind -in 'front', 'share' -and $ArgumentList.Count -eq 1)
    $document = if ($isWhole) { '--into', "$root/docs/benchmarks.md" }
    exit (Invoke-Program $withFarm ($farm + 'dotnet' + $run + $ArgumentList + @($module) + @($toolchain) + @($document)))
}

function Invoke-Demo {
    $demo = "$root/tests/Farm/demo.ps1"
    if (-not [IO.File]::Exists($demo)) { throw "There is no demo yet: $demo does not exist." }
    Invoke-Setup
    Invoke-Build
    exit (Invoke-Program $withFarm '--', 'pwsh', '-NoProfile', '-File', $demo)
}
