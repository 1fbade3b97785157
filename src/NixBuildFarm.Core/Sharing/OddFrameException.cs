namespace NixBuildFarm.Sharing;

/// <summary>A shim, a broker or a builder said what it cannot say. What it was about is compiled at home.</summary>
internal sealed class OddFrameException(string what) : FormatException(what);
