# Setup: what the farm and the tests of the report need on this machine.

function Invoke-Setup {
    Install-Missing ([ordered]@{
        'nix-daemon' = 'nix-bin'
        'sshd'       = 'openssh-server'
        'ssh'        = 'openssh-client'
        'ip'         = 'iproute2'
        'busybox'    = 'busybox-static'
    })
    Install-Optional 'of emulated systems' ([ordered]@{ 'qemu-aarch64-static' = 'qemu-user-static' })
    Install-Optional 'of other versions of Nix' ([ordered]@{ 'mmdebstrap' = 'mmdebstrap' })
    Install-Optional 'of the shim' ([ordered]@{ 'g++' = 'g++' })
    $python = '/usr/lib/python3/dist-packages'
    Install-Optional 'that read reports with parsers of others' ([ordered]@{
        "$python/junitparser/__init__.py"       = 'python3-junitparser'
        "$python/prometheus_client/__init__.py" = 'python3-prometheus-client'
    })
    Initialize-Toolchain
    Install-Optional 'of the report' ([ordered]@{ 'node' = 'nodejs'; 'npm' = 'npm'; 'chromium' = 'chromium' })
}

# Makes the gcc toolchain whose compiles are shared in tests, once.
function Initialize-Toolchain {
    if (-not (Test-Installer)) { return }
    try {
        Invoke-Checked bash "$root/tests/Farm/toolchain/make.sh"
    }
    catch [Management.Automation.RuntimeException] {
        Write-Line "The tests of shared compilation with a real compiler will be left out: $_"
    }
}

# Installs what some tests need, and says which tests are left out where that fails. Without root or apt-get, nothing is tried.
function Install-Optional([string] $Tests, [System.Collections.Specialized.OrderedDictionary] $Packages) {
    if (-not (Test-Installer)) { return }
    try {
        Install-Missing $Packages
    }
    catch [Management.Automation.RuntimeException] {
        Write-Line "The tests $Tests will be left out: $_"
    }
}

# Installs the Debian packages of programs that are not there.
function Install-Missing([System.Collections.Specialized.OrderedDictionary] $Packages) {
    $missing = @($Packages.Keys | Where-Object { -not (Test-Program $_) } | ForEach-Object { $Packages[$_] })
    if ($missing.Count -eq 0) { return }
    if (-not (Test-Installer)) {
        throw "Not installed: $missing. Install them (on Debian, as root: apt-get install $missing), or run this as root on Debian."
    }

    Write-Line "Installing $missing"
    $env:DEBIAN_FRONTEND = 'noninteractive'
    # Debian starts the services that a package brings, unless this file forbids it.
    $policy = '/usr/sbin/policy-rc.d'
    $policyIsOurs = -not [IO.File]::Exists($policy)
    try {
        if ($policyIsOurs) {
            [IO.File]::WriteAllText($policy, "#!/bin/sh`nexit 101`n")
            [IO.File]::SetUnixFileMode($policy, 'UserRead,UserWrite,UserExecute')
        }
        Invoke-Checked apt-get 'update', '--quiet'
        Invoke-Checked apt-get (@('install', '--quiet', '--yes', '--no-install-recommends') + $missing)
    }
    finally {
        if ($policyIsOurs) { [IO.File]::Delete($policy) }
    }
    if ($missing -contains 'openssh-server' -and [IO.Directory]::Exists('/run/systemd/system')) {
        Invoke-Checked systemctl 'disable', '--quiet', 'ssh.service'    # nor at the next start of the machine
    }
}

function Test-Installer { [Environment]::UserName -eq 'root' -and (Test-Program 'apt-get') }
