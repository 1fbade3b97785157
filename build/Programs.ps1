# How tasks run programs and tell what they do. Dot-sourced by build.ps1, as every file here is: $root and $out are its variables.

# No process is to stay behind.
$env:MSBUILDDISABLENODEREUSE = '1'
$env:DOTNET_CLI_USE_MSBUILD_SERVER = '0'
$env:UseSharedCompilation = 'false'
$env:DOTNET_NOLOGO = '1'

$withFarm = "$root/tests/Farm/with-farm.sh"

function Write-Line([string] $Text) { $Host.UI.WriteLine($Text) }

function Test-Program([string] $Name) {
    (Get-Command $Name -CommandType Application -ErrorAction Ignore) -or [IO.File]::Exists("/usr/sbin/$Name") -or [IO.File]::Exists($Name)
}

# Starts a program that dies with us, however we end: a signal other than Ctrl-C ends us before any `finally`. (setpriv is Linux's; it
# becomes the program, so what we hold is the program's own process.)
function Start-Program([string] $Program, [string[]] $ArgumentList) {
    if (Test-Program 'setpriv') { $Program, $ArgumentList = 'setpriv', (@('--pdeathsig', 'KILL', '--', $Program) + $ArgumentList) }
    [Diagnostics.Process]::Start([Diagnostics.ProcessStartInfo]::new($Program, $ArgumentList))
}

# Runs a program on our own standard streams and returns its exit code. It ends with us, also by Ctrl-C.
function Invoke-Program([string] $Program, [string[]] $ArgumentList) {
    $process = Start-Program $Program $ArgumentList
    try {
        while (-not $process.WaitForExit(100)) { }
        $process.ExitCode
    }
    finally {
        Stop-Program $process
    }
}

function Invoke-Checked([string] $Program, [string[]] $ArgumentList) {
    $code = Invoke-Program $Program $ArgumentList
    if ($code -ne 0) { throw "$Program $($ArgumentList[0]) failed with exit code $code." }
}

# Sees to it that programs have ended. Ctrl-C has reached them as well: they may clean up, 5 seconds together.
function Stop-Program([Diagnostics.Process[]] $Process) {
    $clock = [Diagnostics.Stopwatch]::StartNew()
    foreach ($one in $Process) {
        if (-not $one.WaitForExit([Math]::Max(0, 5000 - [int] $clock.ElapsedMilliseconds))) { $one.Kill($true) }
        $one.Dispose()
    }
}

# The command line of tools/NixBuildFarm.PowerShell's pwsh, whichever pwsh runs this.
function Get-PowerShellCommand([string[]] $ArgumentList) {
    @('dotnet', 'exec', "$out/pwsh/pwsh.dll", '-NoProfile') + $ArgumentList
}

# Runs that pwsh, and returns its exit code.
function Invoke-PowerShell([string[]] $ArgumentList) {
    $program, $rest = Get-PowerShellCommand $ArgumentList
    Invoke-Program $program $rest
}

# Makes a folder that is empty.
function New-EmptyFolder([string] $Path) {
    if ([IO.Directory]::Exists($Path)) { [IO.Directory]::Delete($Path, $true) }
    $null = [IO.Directory]::CreateDirectory($Path)
}
