namespace NixBuildFarm.Sharing;

/// <summary>How much a build may ask of others. What goes beyond is compiled at home.</summary>
internal static class SharingLimits
{
    /// <summary>The longest payload of a frame, in bytes: what is longer comes in chunks.</summary>
    public const int Payload = 1 << 20;

    /// <summary>The longest description of a unit, in bytes.</summary>
    public const int Description = 8 << 20;

    /// <summary>Files of a unit outside the store.</summary>
    public const int Files = 3000;

    /// <summary>Bytes of the files of a unit.</summary>
    public const long Contents = 256L << 20;

    /// <summary>Bytes of the files of all units of a build that are in memory at a time.</summary>
    public const long ContentsAtATime = 512L << 20;

    /// <summary>Shims of a build that are connected at a time.</summary>
    public const int Connections = 1024;

    /// <summary>Bytes of what a compile makes.</summary>
    public const int Output = 256 << 20;

    /// <summary>Bytes of what a compile says: they go back in one frame.</summary>
    public const int Messages = 900 << 10;
}
