# The main job, as a user types it, on the farm that with-farm.sh brought up. Ends with an error if anything is not as it should be.
param([string]$Module = '/opt/NixBuildFarm/NixBuildFarm.psd1')
$ErrorActionPreference = 'Stop'
Import-Module $Module
$example = [IO.Path]::Combine($PSScriptRoot, 'example.nix')

# Shows a command as it would be typed, then what it prints; keeps what it writes in $global:written.
function Show([string]$command) {
    Out-Default -InputObject "`nPS> $command"
    $global:written = & ([scriptblock]::Create($command))
    $global:written | Out-Default
}

function Assert([bool]$condition, [string]$what) {
    if (-not $condition) { throw "The demo failed: $what" }
    Out-Default -InputObject "  ok: $what"
}

function Get-BuilderCount($results) {
    $counts = [ordered]@{}
    foreach ($result in $results) { $counts[$result.Builder] = 1 + [int]$counts[$result.Builder] }
    $counts
}

Show 'Get-NixBuilder'
Assert ($written.Count -eq 4) 'four builders: the local machine and three others'

Show 'Get-NixBuilder | Test-NixBuilder'
foreach ($test in $written) { Assert $test.Success "$($test.Name) is ready to build" }

Show "Get-NixBuilder | Where-Object Arch -eq x86_64 | Invoke-NixDistributedBuild -Path $example -OutLink /tmp/result"
$counts = Get-BuilderCount $written
foreach ($builder in $counts.Keys) { Out-Default -InputObject "  $builder built $($counts[$builder])" }
Assert ($written.Count -ge 30) "$($written.Count) derivations were built"
Assert ($counts.Count -eq 4) 'all four machines took part'
$requested = $written | Where-Object IsRequested
foreach ($path in $requested.Outputs.Values) {
    nix-store --check-validity $path
    Assert ($LASTEXITCODE -eq 0) "$path is valid in the local store"
}
Assert ([IO.Path]::Exists('/tmp/result')) '/tmp/result links to it'

Show "Get-NixBuilder aquamarine, ruby | Invoke-NixDistributedBuild -Path $example -Argument @{ version = '1.1' }"
$elsewhere = $written | Where-Object Builder -notin 'aquamarine', 'ruby'
Assert ($written.Count -ge 30) "$($written.Count) derivations were built"
Assert ($null -eq $elsewhere) 'nothing was built anywhere else'
